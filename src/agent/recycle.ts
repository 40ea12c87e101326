// Resets the machine between two participants: deletes the participant's files when the allocator asks for it, and reports
// that it is done.
import { createWakeUp } from '../async/wake-up.ts';
import { emptyFolderWithin } from './container.ts';
import type { AgentContext } from './context.ts';
import { emptyFolder } from './empty-folder.ts';
import { untilAnswered } from './requests.ts';
import { describeFailure } from '../result.ts';

export type Recycler = {
  /** How many resets have ended, well or not. */
  readonly completed: number;
  /** The allocator wants the files of this assignment deleted (null: of no particular one). */
  begin(assignmentId: string | null): void;
  /** Runs until the agent stops. */
  run(): Promise<void>;
};

/** Only `begin` ends a pause of this length. */
const NOTHING_TO_DO_MS = 3_600_000;

export function createRecycler(context: AgentContext): Recycler {
  const { options, stopping, exclusive } = context;
  const { wake, pause } = createWakeUp();
  let wanted: { readonly assignmentId: string | null } | null = null;
  let notBeforeMs = 0;
  let completed = 0;

  return {
    get completed() {
      return completed;
    },
    begin(assignmentId) {
      if (wanted !== null || Date.now() < notBeforeMs) return;
      wanted = { assignmentId };
      wake();
    },
    async run() {
      while (!stopping.aborted) {
        if (wanted === null) {
          await pause(NOTHING_TO_DO_MS, stopping);
          continue;
        }
        const { assignmentId } = wanted;
        const isDone = await exclusive.runExclusive(() => recycle(context, assignmentId));
        if (!isDone) notBeforeMs = Date.now() + options.intervals.recycleRetryMs;
        wanted = null;
        completed += 1;
      }
    },
  };
}

/** False: the folder could not be emptied. */
async function recycle(context: AgentContext, assignmentId: string | null): Promise<boolean> {
  const { options, stopping, presence } = context;
  const { log } = options.dependencies;
  if (!(await deleteFiles(context, assignmentId))) return false;
  const params = { path: { hostname: options.hostname } };
  const body = { assignment_id: assignmentId };
  const what = 'reporting that the machine was reset';
  const answer = await untilAnswered(
    context,
    what,
    (client, signal) => client.POST('/api/v1/vms/{hostname}/recycled', { params, body, signal }),
    stopping,
  );
  if (answer?.ok === true) log.info('reported that the machine was reset');
  if (answer?.ok === false) log.warn(`${what}: ${describeFailure(answer.failure)}`);
  presence.setFault(null);
  return true;
}

/** Once for each assignment: files that come later belong to the next participant. */
async function deleteFiles(context: AgentContext, assignmentId: string | null): Promise<boolean> {
  const { state, options, presence } = context;
  if (assignmentId !== null && state.content.recycled.includes(assignmentId)) return true;
  const { removed, failures } =
    options.container === null
      ? await emptyFolder(options.folder)
      : await emptyFolderWithin(context, options.container, options.folder);
  if (failures.length > 0) {
    presence.setFault(`the participant's folder could not be emptied: ${failures.join('; ')}`);
    return false;
  }
  const count = removed === null ? '' : `: ${removed} files and folders deleted`;
  options.dependencies.log.info(`emptied the participant's folder${count}`);
  if (assignmentId !== null) {
    await state.change((content) => ({ recycled: [...content.recycled, assignmentId] }));
  }
  return true;
}

// Empties the participant's folder when the allocator says that its participant is gone, and tells that it is done.
import { emptyFolderWithin } from './container.ts';
import { emptyFolder } from './empty-folder.ts';
import type { AgentParts } from './parts.ts';
import { untilAnswered } from './retry.ts';
import { createBell } from './turn.ts';

export type Recycler = {
  /** How often it has ended. What was asked for before the last end has been seen to. */
  readonly ended: number;
  /** The allocator wants the remains of this assignment gone (null: of nobody in particular). */
  begin(assignmentId: string | null): void;
  /** Runs until the agent stops. */
  run(): Promise<void>;
};

/** Only the bell ends a wait of this length. */
const NOTHING_TO_DO_MS = 3_600_000;

export function createRecycler(parts: AgentParts): Recycler {
  const { clock } = parts.options.world;
  const bell = createBell(clock);
  let wanted: { readonly assignmentId: string | null } | null = null;
  let notBefore = 0;
  let ended = 0;

  async function run(): Promise<void> {
    while (!parts.stopping.aborted) {
      if (wanted === null) {
        await bell.wait(NOTHING_TO_DO_MS, parts.stopping);
        continue;
      }
      const { assignmentId } = wanted;
      const isDone = await parts.turns(() => recycle(parts, assignmentId));
      if (!isDone) notBefore = clock.now() + parts.options.intervals.recycleRetryMs;
      wanted = null;
      ended += 1;
    }
  }

  return {
    get ended() {
      return ended;
    },
    begin(assignmentId) {
      if (wanted !== null || clock.now() < notBefore) return;
      wanted = { assignmentId };
      bell.ring();
    },
    run,
  };
}

/** False where the folder could not be emptied. */
async function recycle(parts: AgentParts, assignmentId: string | null): Promise<boolean> {
  const { log } = parts.options.world;
  if (!(await isEmptied(parts, assignmentId))) return false;
  const params = { path: { hostname: parts.options.hostname } };
  const answer = await untilAnswered(
    parts,
    'telling that the machine was emptied',
    (client, signal) =>
      client.POST('/api/v1/vms/{hostname}/recycled', {
        params,
        body: { assignment_id: assignmentId },
        signal,
      }),
    parts.stopping,
  );
  if (answer?.kind === 'ok') log.info('told that the machine was emptied');
  if (answer?.kind === 'refused') log.warn(`"emptied" was refused (${answer.status}): ${answer.detail}`);
  parts.presence.setFault(null);
  return true;
}

/** An assignment's remains are removed once: what lies there afterwards is the next participant's. */
async function isEmptied(parts: AgentParts, assignmentId: string | null): Promise<boolean> {
  const { memory, options, presence } = parts;
  const { log } = options.world;
  if (assignmentId !== null && memory.content.recycled.includes(assignmentId)) return true;
  const { removed, failures } =
    options.container === null
      ? await emptyFolder(options.folder)
      : await emptyFolderWithin(parts, options.container, options.folder);
  if (failures.length > 0) {
    presence.setFault(`the participant's folder could not be emptied: ${failures.join('; ')}`);
    return false;
  }
  const count = removed === null ? '' : `: ${removed} files and folders removed`;
  log.info(`emptied the participant's folder${count}`);
  if (assignmentId !== null) {
    await memory.change((content) => ({ recycled: [...content.recycled, assignmentId] }));
  }
  return true;
}

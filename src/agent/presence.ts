// The machine's status as the allocator knows it: reported at start, when it changes, and when the allocator has forgotten
// the machine.
import { access, constants } from 'node:fs/promises';
import { uptime } from 'node:os';
import { createWakeUp } from '../async/wake-up.ts';
import type { Schemas } from '../client/client.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { checkStartHostWithin } from './container.ts';
import { untilAnswered, type RequestContext } from './requests.ts';
import type { SavedState } from './state.ts';

type Status = Schemas['ReportedStatus'];

export type Presence = {
  /** Resolves when the allocator knows the machine, or the agent stops. */
  readonly announced: Promise<void>;
  /** Grows with every accepted status: the allocator may have created the machine anew, and know nothing else of it. */
  readonly generation: number;
  /** The allocator does not know the machine (any more), or may have marked it unreachable. */
  reportAgain(): void;
  /** The last status report that counted, as the allocator says: reports again where one that was late has replaced the newest. */
  compare(last: Schemas['LastStatus']): void;
  /** Something is wrong with the machine (a sentence), or right again (null). */
  setFault(sentence: string | null): void;
  run(): Promise<void>;
};

export type PresenceContext = RequestContext & {
  readonly state: SavedState;
  readonly stopping: AbortSignal;
};

export function createPresence(context: PresenceContext): Presence {
  const { options, state, stopping, errors } = context;
  const { refusedMs, readinessMs } = options.intervals;
  const { wake, pause } = createWakeUp();
  const announced = Promise.withResolvers<undefined>();
  stopping.addEventListener('abort', () => announced.resolve(undefined), { once: true });
  if (stopping.aborted) announced.resolve(undefined);
  let accepted: Status | null = null;
  let generation = 0;
  let fault: string | null = null;
  let lastUptimeMs = 0;
  let acceptedUptimeMs = 0;

  async function report(status: Status): Promise<void> {
    // Greater with every report: the clock of the kernel has steps of ten.
    lastUptimeMs = Math.max(lastUptimeMs + 1, Math.round(uptime() * 1_000));
    if (!(await reportStatus(context, status, lastUptimeMs))) return;
    accepted = status;
    acceptedUptimeMs = lastUptimeMs;
    generation += 1;
    announced.resolve(undefined);
  }

  /** Once a boot: a restart of the agent must not make the machine look as if it were starting. */
  async function announceBoot(): Promise<void> {
    if (state.content.announcedBootId === options.bootId) return;
    await report('initializing');
    if (accepted !== null) await state.change(() => ({ announcedBootId: options.bootId }));
  }

  function reportAgain(): void {
    accepted = null;
    wake();
  }

  return {
    announced: announced.promise,
    get generation() {
      return generation;
    },
    reportAgain,
    compare({ boot_id: bootId, uptime_ms: uptimeMs }) {
      if (bootId !== options.bootId || uptimeMs < acceptedUptimeMs) reportAgain();
    },
    setFault(sentence) {
      fault = sentence;
      wake();
    },
    async run() {
      await announceBoot();
      while (!stopping.aborted) {
        const ready = fault === null ? await checkStartHost(context) : fail(fault);
        if (ready.ok) errors.resolve('this machine');
        else errors.report('this machine', ready.failure);
        const status = ready.ok ? 'running' : 'error';
        if (status !== accepted) await report(status);
        await pause(accepted === null ? refusedMs : readinessMs, stopping);
      }
    },
  };
}

/** Reports until it is answered. False: refused, or the agent stops. */
async function reportStatus(context: PresenceContext, status: Status, uptimeMs: number): Promise<boolean> {
  const { options, stopping } = context;
  const { log } = options.dependencies;
  const { hostname, bootId } = options;
  // The same in every try: one that is held up on its way must not arrive as the newest report.
  const body = { hostname, status, boot_id: bootId, uptime_ms: uptimeMs };
  const answer = await untilAnswered(
    context,
    'reporting the status',
    (client, signal) => client.POST('/api/vm-status', { body, signal }),
    stopping,
  );
  if (answer?.ok === false) log.error(`reporting the status: ${describeFailure(answer.failure)}`);
  if (answer?.ok === true) log.info(`reported ${status}`);
  return answer?.ok === true;
}

/** A name without a slash is found on the PATH when it is run, and not checked before. */
async function checkStartHost(context: PresenceContext): Promise<Result<undefined, string>> {
  const { container, startHost } = context.options;
  if (container !== null) return checkStartHostWithin(context, container);
  const [program] = startHost;
  try {
    if (program.includes('/')) await access(program, constants.X_OK);
    return succeed(undefined);
  } catch {
    return fail(`${program} does not exist, or cannot be run. Participants cannot connect.`);
  }
}

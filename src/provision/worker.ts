// Runs one operation at a time: takes its row, keeps the lease, passes on what it tells, ends it. What is launched or
// destroyed, and how, is elsewhere.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { appendOperationEvents } from '../db/operation-events.ts';
import {
  endOperation,
  recordProgress,
  renewLease,
  takeOperation,
  type OperationEnd,
  type OperationRecord,
} from '../db/operations.ts';
import { createRunControl, type EndReason, type Patience, type RunControl } from './control.ts';
import { runDestroy } from './destroy.ts';
import { runLaunch, type LaunchOptions } from './launch.ts';
import { createOutput, type Output } from './output.ts';
import type { Provider } from './provider.ts';
import { createCounter, type Outcome, type Run } from './run.ts';

/** All in milliseconds; tests set them short. */
export type WorkerIntervals = Patience & {
  readonly leaseMs: number;
  /** How often the lease is renewed, and looked whether somebody asked for the end. */
  readonly renewMs: number;
  readonly flushMs: number;
  readonly runLimitMs: number;
};

export type WorkerOptions = LaunchOptions & {
  readonly db: Db;
  readonly provider: Provider;
  /** Unlike that of any other process, also of this program's earlier runs. */
  readonly owner: string;
  readonly intervals: WorkerIntervals;
  readonly now: () => Date;
  /** Rows and machines could not be brought together: to be done later. */
  readonly onUnsettled: () => void;
  readonly onError: (error: unknown, doing: string) => void;
};

export type Worker = {
  /** Runs an operation to its end; returns at once where it is not queued any more. Throws while stopping. */
  run(operationId: string): Promise<void>;
  /** What runs right now. */
  readonly active: string | null;
  /** Asks what runs to end, and begins nothing more. Resolves when it has ended. */
  stop(): Promise<void>;
  /** Ends what runs by force. */
  readonly force: () => void;
};

/** The end of an operation is written again and again while the database is away, so often at most. */
const END_ATTEMPTS = 20;

export function createWorker(options: WorkerOptions): Worker {
  let current: { readonly id: string; readonly control: RunControl; readonly ended: Promise<void> } | null =
    null;
  let stopping = false;

  async function run(id: string): Promise<void> {
    if (stopping || current !== null) throw new Error(`not now: operation ${id} stays queued`);
    const { db, owner, intervals } = options;
    const operation = await takeOperation(db, { id, owner, leaseMs: intervals.leaseMs });
    if (operation === null) return;
    const control = createRunControl(intervals);
    const ended = runTaken(options, operation, control);
    current = { id, control, ended };
    if (isStopping()) control.ask('stopping');
    try {
      await ended;
    } finally {
      current = null;
    }
  }

  /** Asked anew: it may have changed while the operation was taken. */
  function isStopping(): boolean {
    return stopping;
  }

  return {
    run,
    get active() {
      return current?.id ?? null;
    },
    stop: async () => {
      stopping = true;
      current?.control.ask('stopping');
      await current?.ended.catch(() => undefined);
    },
    force: () => current?.control.force(),
  };
}

async function runTaken(
  options: WorkerOptions,
  operation: OperationRecord,
  control: RunControl,
): Promise<void> {
  const { db, owner, provider, intervals, now, onError, onUnsettled: unsettled } = options;
  const { id } = operation;
  const output = createOutput({
    store: (events) => appendOperationEvents(db, id, events),
    flushMs: intervals.flushMs,
    now,
    onError,
  });
  const progress = createCounter((counts) =>
    recordProgress(db, { id, owner }, counts).catch((error: unknown) =>
      onError(error, 'recording the progress of an operation'),
    ),
  );
  const keeping = keepLease(options, operation, control);
  const limit = setTimeout(() => control.ask('timeout'), intervals.runLimitMs);
  const run: Run = { db, provider, operation, control, tell: output.write, progress, unsettled, onError };
  try {
    const outcome = await runKind(run, options);
    if (control.reason() === 'lost') return;
    const problem = explain(outcome, control.reason());
    await writeEnd(options, operation, output, {
      status: statusOf(problem, control.reason()),
      progress: progress.get(),
      problem,
    });
  } finally {
    clearTimeout(limit);
    control.close();
    keeping.abort();
  }
}

async function runKind(run: Run, options: LaunchOptions): Promise<Outcome> {
  try {
    return run.operation.kind === 'launch' ? await runLaunch(run, options) : await runDestroy(run);
  } catch (error) {
    run.onError(error, `running a ${run.operation.kind}`);
    run.unsettled();
    return {
      kind: 'engine',
      problem: 'The server met a fault of its own; its log has it.',
      remedy: 'Try again. If it stays like this, report it with the log.',
    };
  }
}

const asked = {
  cancelled: {
    kind: 'cancelled',
    problem: 'Cancelled.',
    remedy: 'What was made stays; launch more, or destroy all.',
  },
  timeout: {
    kind: 'timeout',
    problem: 'It took too long, and was ended.',
    remedy: 'Look at the output for what hung; then try again.',
  },
  stopping: {
    kind: 'interrupted',
    problem: 'The server was stopped in the middle of it.',
    remedy: 'Look at the machines; launch or destroy again as needed.',
  },
  lost: null,
} as const satisfies Record<EndReason, Outcome>;

/** The problem as people are told it: why it was asked to end comes before what the provider made of that. */
function explain(outcome: Outcome, reason: EndReason | null): Outcome {
  const given = reason === null ? null : asked[reason];
  if (outcome === null || given === null) return outcome;
  return { ...given, problem: `${given.problem} ${outcome.problem}` };
}

function statusOf(problem: Outcome, reason: EndReason | null): OperationEnd['status'] {
  if (problem === null) return 'succeeded';
  if (reason === 'cancelled') return 'cancelled';
  return reason === 'stopping' ? 'interrupted' : 'failed';
}

/** Until it is aborted: keeps the lease, and hears of somebody who wants the end. */
function keepLease(
  { db, owner, intervals, onError }: WorkerOptions,
  { id }: OperationRecord,
  control: RunControl,
): AbortController {
  const ending = new AbortController();
  const keep = async (): Promise<void> => {
    while (await delay(intervals.renewMs, true, { signal: ending.signal }).catch(() => false)) {
      try {
        const lease = await renewLease(db, { id, owner, leaseMs: intervals.leaseMs });
        if (lease === null) control.ask('lost');
        else if (lease.cancelAsked) control.ask('cancelled');
      } catch (error) {
        onError(error, 'renewing the lease of an operation');
      }
    }
  };
  void keep();
  return ending;
}

/** The last lines and the end appear together: who reads the end has read all lines. */
async function writeEnd(
  { db, owner, intervals, onError }: WorkerOptions,
  { id }: OperationRecord,
  output: Output,
  end: OperationEnd,
): Promise<void> {
  if (end.problem) output.write({ level: 'error', text: `${end.problem.problem} ${end.problem.remedy}` });
  else output.write({ level: 'info', text: 'Done.' });
  const rest = await output.drain();
  for (let attempt = 1; ; attempt += 1) {
    try {
      await db.transaction().execute(async (trx) => {
        if (await endOperation(trx, { id, owner }, end)) await appendOperationEvents(trx, id, rest);
      });
      return;
    } catch (error) {
      onError(error, 'writing the end of an operation');
      if (attempt >= END_ATTEMPTS) throw error;
      await delay(intervals.renewMs);
    }
  }
}

// Runs one operation at a time: takes its row, renews the lease, stores its output and its end. What a launch and a destroy
// do is in launch.ts and destroy.ts.
import pRetry from 'p-retry';
import { isAborted, sleep } from '../async/abort.ts';
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
import { describeFailure, fail } from '../result.ts';
import { runDestroy } from './destroy.ts';
import { runOnSelected } from './selected.ts';
import { runLaunch, type LaunchOptions } from './launch.ts';
import { createOutput, type Output } from './output.ts';
import type { Provider } from './provider.ts';
import { createProgressCounter, problemOf, type OperationFailure, type Outcome, type Run } from './run.ts';
import { createRunControl, type CancelReason, type CancelTimeouts, type RunControl } from './run-control.ts';

/** All in milliseconds; tests set them short. */
export type WorkerIntervals = CancelTimeouts & {
  readonly leaseMs: number;
  /** Between two renewals of the lease, each of which also notices a requested cancellation. */
  readonly renewMs: number;
  readonly flushMs: number;
  readonly runLimitMs: number;
};

export type WorkerOptions = LaunchOptions & {
  readonly db: Db;
  readonly provider: Provider;
  /** Unique among all processes, including earlier runs of this program. */
  readonly owner: string;
  readonly intervals: WorkerIntervals;
  readonly now: () => Date;
  readonly requestReconcile: () => void;
  readonly onError: (error: unknown, doing: string) => void;
};

export type Worker = {
  /** Runs an operation to its end; returns at once if it is no longer queued. Throws while stopping. */
  run(operationId: string): Promise<void>;
  /** The operation that runs right now. */
  readonly active: string | null;
  /** Cancels the current run and starts no other. Resolves when it has ended. */
  stop(): Promise<void>;
  /** Forces the current run to end. */
  readonly force: () => void;
};

/** The end of an operation is written again while the database is away, this often at most. */
const END_ATTEMPTS = 20;

export function createWorker(options: WorkerOptions): Worker {
  type Current = { readonly id: string; readonly control: RunControl; readonly ended: Promise<void> };
  let current: Current | null = null;
  const stopping = new AbortController();

  async function run(id: string): Promise<void> {
    if (stopping.signal.aborted || current !== null) throw new Error(`operation ${id} stays queued`);
    const { db, owner, intervals } = options;
    const operation = await takeOperation(db, { id, owner, leaseMs: intervals.leaseMs });
    if (operation === null) return;
    const control = createRunControl(intervals);
    const cancel = (): void => control.cancel('stopping');
    stopping.signal.addEventListener('abort', cancel);
    if (isAborted(stopping.signal)) cancel();
    const ended = execute(options, operation, control);
    current = { id, control, ended };
    try {
      await ended;
    } finally {
      current = null;
      stopping.signal.removeEventListener('abort', cancel);
    }
  }

  return {
    run,
    get active() {
      return current?.id ?? null;
    },
    stop: async () => {
      stopping.abort();
      await current?.ended.catch(() => undefined);
    },
    force: () => current?.control.force(),
  };
}

async function execute(
  options: WorkerOptions,
  operation: OperationRecord,
  control: RunControl,
): Promise<void> {
  const { db, owner, provider, intervals, now, requestReconcile, onError } = options;
  const { id } = operation;
  const output = createOutput({
    store: (events) => appendOperationEvents(db, id, events),
    flushMs: intervals.flushMs,
    now,
    onError,
  });
  const progress = createProgressCounter();
  progress.storeWith((counts) =>
    recordProgress(db, { id, owner }, counts).catch((error: unknown) =>
      onError(error, 'recording the progress of an operation'),
    ),
  );
  const ended = new AbortController();
  void keepLease(options, id, control, ended.signal);
  const limit = setTimeout(() => control.cancel('timeout'), intervals.runLimitMs);
  const emit = output.write;
  const run: Run = { db, provider, control, emit, progress, now, requestReconcile, onError };
  try {
    const outcome = await start(run, operation, options).catch((error: unknown): Outcome => {
      onError(error, `running a ${operation.kind}`);
      requestReconcile();
      return UNEXPECTED_ERROR;
    });
    const reason = control.reason();
    if (reason === 'lost') return;
    const failure = outcome.ok ? null : explain(operation.kind, outcome.failure, reason);
    if (failure) output.write({ level: 'error', text: describeFailure(failure) });
    else output.write({ level: 'info', text: 'Done.' });
    await writeEnd(options, id, output, {
      status: statusOf(failure, reason),
      progress: progress.get(),
      problem: failure && problemOf(failure),
    });
  } finally {
    clearTimeout(limit);
    control.close();
    ended.abort();
  }
}

function start(run: Run, operation: OperationRecord, options: LaunchOptions): Promise<Outcome> {
  switch (operation.kind) {
    case 'launch':
      return runLaunch(run, operation, options);
    case 'destroy':
      return runDestroy(run, operation);
    default:
      return runOnSelected(run, operation.kind, operation);
  }
}

const UNEXPECTED_ERROR = fail({
  code: 'engine',
  message: 'The server failed unexpectedly; its log has the error.',
  remedy: 'Try again. If it happens again, report it with the log.',
} as const);

const cancelFailures = {
  cancelled: {
    code: 'cancelled',
    message: 'Cancelled.',
    remedy: 'Machines that were created stay; launch more, or destroy all.',
  },
  timeout: {
    code: 'timeout',
    message: 'The operation took too long and was ended.',
    remedy: 'Look in the output for what hung, then try again.',
  },
  stopping: {
    code: 'interrupted',
    message: 'The server was stopped during the operation.',
    remedy: 'Look at the machines; launch or destroy again as needed.',
  },
} as const satisfies Record<Exclude<CancelReason, 'lost'>, OperationFailure>;

/** Puts the reason of a cancellation before what the provider returned because of it. */
function explain(
  kind: OperationRecord['kind'],
  failure: OperationFailure,
  reason: Exclude<CancelReason, 'lost'> | null,
): OperationFailure {
  if (reason === null) return failure;
  const { code, message, ...general } = cancelFailures[reason];
  const remedy = kind === 'launch' || kind === 'destroy' ? general.remedy : failure.remedy;
  return { code, message: `${message} ${failure.message}`, remedy };
}

function statusOf(failure: OperationFailure | null, reason: CancelReason | null): OperationEnd['status'] {
  if (failure === null) return 'succeeded';
  if (reason === 'cancelled') return 'cancelled';
  return reason === 'stopping' ? 'interrupted' : 'failed';
}

/** Renews the lease until the signal is aborted, and cancels the run when an admin has asked for it. */
async function keepLease(
  { db, owner, intervals, onError }: WorkerOptions,
  id: string,
  control: RunControl,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(intervals.renewMs, signal);
    if (signal.aborted) return;
    try {
      const lease = await renewLease(db, { id, owner, leaseMs: intervals.leaseMs });
      if (lease === null) control.cancel('lost');
      else if (lease.cancelRequested) control.cancel('cancelled');
    } catch (error) {
      onError(error, 'renewing the lease of an operation');
    }
  }
}

/** Stores the last lines and the end in one transaction: a reader who sees the end has all lines. */
async function writeEnd(
  { db, owner, intervals, onError }: WorkerOptions,
  id: string,
  output: Output,
  end: OperationEnd,
): Promise<void> {
  const rest = await output.drain();
  const write = (): Promise<void> =>
    db.transaction().execute(async (trx) => {
      if (await endOperation(trx, { id, owner }, end)) await appendOperationEvents(trx, id, rest);
    });
  await pRetry(write, {
    retries: END_ATTEMPTS - 1,
    minTimeout: intervals.renewMs,
    factor: 1,
    onFailedAttempt: ({ error }) => onError(error, 'writing the end of an operation'),
  });
}

// The machinery behind operations: queue, worker, recovery, what watches ends and orphans, and how all of it begins and
// ends with the server.
import type { Db } from '../db/connect.ts';
import type { LogFields } from '../log.ts';
import type { Deployment } from '../vms/hostnames.ts';
import type { CanaryOptions } from './canary.ts';
import { createEnds, THE_CLOCK, type Ends } from './ends.ts';
import type { Provider, ProvisionEvent } from './provider.ts';
import { createQueue, type OperationQueue } from './queue.ts';
import { createRecovery, type Recovery } from './recover.ts';
import { requestOperation, type Requested } from './request.ts';
import { createOrphans, type Orphans } from './orphans.ts';
import { createWorker, type Worker, type WorkerIntervals } from './worker.ts';

export type OperationIntervals = WorkerIntervals & {
  /** How often operations that nobody runs are looked for. */
  readonly recoverMs: number;
  /** A queued operation that nobody takes for so long is given up. */
  readonly queuedMs: number;
  /** When the server stops, what runs is asked to end, and forced to after this long. */
  readonly stopForceAfterMs: number;
  /** How often the row of a machine that goes ahead is read. */
  readonly canaryAskMs: number;
  /** How often machines are told their end that could not be told, and those are looked for whose end has come. */
  readonly endsMs: number;
  /** How often the provider is asked for machines without a row. */
  readonly orphansMs: number;
};

export const defaultIntervals: OperationIntervals = {
  leaseMs: 20_000,
  renewMs: 1_000,
  flushMs: 200,
  runLimitMs: 2 * 3_600_000,
  forceAfterMs: 60_000,
  abandonAfterMs: 15_000,
  recoverMs: 10_000,
  queuedMs: 600_000,
  stopForceAfterMs: 10_000,
  canaryAskMs: 1_000,
  endsMs: 30_000,
  orphansMs: 600_000,
};

export type LaunchRules = {
  /** Where a launch says nothing; null = no end. */
  readonly hours: number | null;
  readonly canary: Pick<CanaryOptions, 'above' | 'limitMs'>;
};

export const NO_RULES: LaunchRules = { hours: null, canary: { above: null, limitMs: 900_000 } };

export type OperationsOptions = {
  readonly db: Db;
  /** Of the same database: the queue has a few connections of its own. */
  readonly connectionString: string;
  readonly provider: Provider;
  readonly deployment: Deployment;
  readonly rules?: LaunchRules;
  /** True where no other allocator serves this database. */
  readonly alone: boolean;
  readonly log: {
    readonly info: (fields: LogFields, message: string) => void;
    readonly warn: (fields: LogFields, message: string) => void;
    readonly error: (fields: LogFields, message: string) => void;
  };
  readonly now: () => Date;
  readonly randomUuid: () => string;
  readonly randomBytes: (count: number) => Buffer;
  readonly intervals?: Partial<OperationIntervals>;
};

export type Parts = {
  readonly queue: OperationQueue;
  readonly worker: Worker;
  readonly recovery: Recovery;
  readonly ends: Ends;
  readonly orphans: Orphans;
  /** One at a time: a run, or the clearing up after one. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly timers: NodeJS.Timeout[];
  /** What goes on beside the operations; waited for at the end. */
  readonly beside: Set<Promise<unknown>>;
  readonly stopping: AbortController;
  readonly intervals: OperationIntervals;
};

export function assemble(options: OperationsOptions): Parts {
  const { db, provider, log, now, alone, randomUuid } = options;
  const intervals = { ...defaultIntervals, ...options.intervals };
  const owner = randomUuid();
  const stopping = new AbortController();
  const onError = (error: unknown, doing: string): void =>
    log.warn({ err: error }, `An error while ${doing}.`);
  const onFound = ({ text, hostname }: ProvisionEvent): void => log.warn({ hostname }, text);
  const queue = createQueue({
    connectionString: options.connectionString,
    runLimitSeconds: Math.ceil(intervals.runLimitMs / 1_000),
    onError,
  });
  const worker = createWorker({
    ...options,
    owner,
    canary: { ...(options.rules ?? NO_RULES).canary, askMs: intervals.canaryAskMs },
    intervals,
    onUnsettled: () => recovery.unsettled(),
    onError,
  });
  const recovery: Recovery = createRecovery({
    db,
    provider,
    queue,
    owner,
    leaseMs: intervals.leaseMs,
    queuedMs: intervals.queuedMs,
    alone,
    active: () => worker.active,
    now,
    onFound,
    onError,
    signal: stopping.signal,
  });
  const watching = { db, provider, now, onFound, onError, signal: stopping.signal };
  return {
    queue,
    worker,
    recovery,
    ends: createEnds({
      ...watching,
      destroy: async (hostnames) =>
        (await askDestroy(options, { queue }, THE_CLOCK, hostnames)).kind === 'accepted',
    }),
    orphans: createOrphans(watching),
    inTurn: createTurns(),
    timers: [],
    beside: new Set(),
    stopping,
    intervals,
  };
}

export async function begin({ provider }: OperationsOptions, parts: Parts): Promise<void> {
  const { queue, worker, recovery, ends, orphans, inTurn, timers, beside, intervals } = parts;
  await provider.start();
  await queue.open();
  await recovery.atStart();
  await queue.work((id) => inTurn(() => worker.run(id)));
  const whileIdle = (work: () => Promise<void>): void => {
    if (worker.active === null) void inTurn(work);
  };
  const asWell = (work: () => Promise<unknown>): void => {
    const going: Promise<unknown> = work().finally(() => beside.delete(going));
    beside.add(going);
  };
  timers.push(
    setInterval(() => whileIdle(() => recovery.again()), intervals.recoverMs),
    setInterval(() => whileIdle(() => ends.follow()), intervals.endsMs),
    setInterval(() => asWell(() => ends.arm()), intervals.endsMs),
    setInterval(() => asWell(() => orphans.look()), intervals.orphansMs),
  );
  asWell(() => orphans.look());
}

export async function end(
  { provider }: OperationsOptions,
  { queue, worker, inTurn, timers, beside, stopping, intervals }: Parts,
  force?: AbortSignal,
): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  stopping.abort();
  const forceTimer = setTimeout(worker.force, intervals.stopForceAfterMs);
  force?.addEventListener('abort', worker.force, { once: true });
  const stopped = worker.stop();
  if (force?.aborted) worker.force();
  await stopped;
  clearTimeout(forceTimer);
  await inTurn(() => Promise.resolve());
  await Promise.allSettled(beside);
  try {
    await queue.close();
  } finally {
    await provider.stop();
  }
}

/** Work in turn, in the order of asking. */
function createTurns(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

export function askDestroy(
  { db, randomUuid }: OperationsOptions,
  { queue }: Pick<Parts, 'queue'>,
  by: string,
  hostnames: readonly string[] | null,
): Promise<Requested> {
  const request = { id: randomUuid(), kind: 'destroy', requestedBy: by, numVms: null, hostnames } as const;
  return requestOperation({ db, queue }, request);
}

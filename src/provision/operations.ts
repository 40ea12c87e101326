// Operations as the rest of the program knows them: ask for one, cancel one, and the machinery behind, which starts and
// stops with the server. The composition of this room.
import type { Db } from '../db/connect.ts';
import type { Deployment } from '../vms/hostnames.ts';
import type { LogFields } from '../log.ts';
import { createPlanner } from './plan.ts';
import type { MachinePlan, Provider, ProvisionEvent, ProvisionResult, Readiness } from './provider.ts';
import { createQueue, type OperationQueue } from './queue.ts';
import { hoursFrom } from '../vms/ends.ts';
import { findMachineRow } from '../db/fleet.ts';
import type { CanaryOptions } from './canary.ts';
import { createEnds, THE_CLOCK, type Ends } from './ends.ts';
import { checkFirst } from './preflight.ts';
import { createRecovery, type Recovery } from './recover.ts';
import { cancelOperation, requestOperation, type Cancelled, type Requested } from './request.ts';
import { createStrangers, type Strangers } from './strangers.ts';
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
  readonly strangersMs: number;
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
  strangersMs: 600_000,
};

export type LaunchRules = {
  /** Where a launch says nothing; null = no end. */
  readonly hours: number | null;
  readonly canary: Pick<CanaryOptions, 'above' | 'limitMs'>;
};

const NO_RULES: LaunchRules = { hours: null, canary: { above: null, limitMs: 900_000 } };

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

export type Operations = {
  readonly deployment: Deployment;
  readonly providerName: Provider['name'];
  /** Where machines are made, where prices depend on it. */
  readonly region: string | null;
  /** So long after its end a machine ends itself; 0 where none does. */
  readonly graceMinutes: number;
  /** A launch of more machines than this sends one ahead; null = none does. */
  readonly canaryAbove: number | null;
  /** What the next machines would cost, and how many are possible; null where they cost nothing. In time, and kept a while. */
  readonly plan: () => Promise<MachinePlan | null>;
  /** Whether machines can be launched right now. */
  readonly readiness: () => Promise<Readiness>;
  /** Where a launch says nothing; null = no end. */
  readonly defaultHours: number | null;
  readonly launch: (asked: {
    readonly numVms: number;
    readonly by: string;
    readonly hours?: number | undefined;
  }) => Promise<Requested | NotReady>;
  readonly destroy: (asked: { readonly by: string }) => Promise<Requested | NotReady>;
  /** Destroys one machine. */
  readonly destroyOne: (asked: {
    readonly hostname: string;
    readonly by: string;
  }) => Promise<Requested | NotReady | { readonly kind: 'unknown' }>;
  readonly extend: (asked: Parameters<Ends['extend']>[0]) => Promise<void>;
  readonly strangers: Strangers;
  /** Restarts one machine and keeps its disk. Null where the provider cannot. */
  readonly restart: ((hostname: string) => Promise<ProvisionResult>) | null;
  readonly cancel: (id: string, by: string) => Promise<Cancelled>;
  /** For the health of the server; null = ready. */
  readonly checks: readonly { readonly name: string; readonly check: () => Promise<string | null> }[];
  /** Brings back machines, clears up after interrupted operations, begins to run queued ones. */
  readonly start: () => Promise<void>;
  /** Ends what runs, asking first; everything is released. @param force aborted = do not wait any longer */
  readonly stop: (force?: AbortSignal) => Promise<void>;
};

export type NotReady = { readonly kind: 'not_ready'; readonly problem: string; readonly remedy: string };

const STARTING = {
  ok: false,
  problem: 'The server is still starting.',
  remedy: 'Try again in a few seconds.',
} as const;

export function createOperations(options: OperationsOptions): Operations {
  const parts = assemble(options);
  const { queue } = parts;
  const { db, provider, randomUuid } = options;
  const { hours: defaultHours, canary } = options.rules ?? NO_RULES;
  let started = false;
  const readiness = (): Promise<Readiness> => (started ? provider.readiness() : Promise.resolve(STARTING));
  return {
    deployment: options.deployment,
    providerName: provider.name,
    region: provider.region ?? null,
    graceMinutes: provider.graceMinutes ?? 0,
    canaryAbove: canary.above,
    plan: createPlanner(options),
    readiness,
    defaultHours,
    launch: async ({ numVms, by, hours = defaultHours }) => {
      const ready = await readiness();
      if (!ready.ok) return notReady(ready);
      const fits = await checkFirst(options, numVms);
      if (!fits.ok) return notReady(fits);
      const endsAt = hours === null ? null : hoursFrom(options.now(), hours);
      return requestOperation(
        { db, queue },
        { id: randomUuid(), kind: 'launch', requestedBy: by, numVms, endsAt },
      );
    },
    destroy: ({ by }) =>
      started ? askDestroy(options, parts, by, null) : Promise.resolve(notReady(STARTING)),
    destroyOne: async ({ hostname, by }) => {
      if (!started) return notReady(STARTING);
      if (!(await findMachineRow(db, hostname))) return { kind: 'unknown' };
      return askDestroy(options, parts, by, [hostname]);
    },
    extend: (asked) => parts.ends.extend(asked),
    strangers: parts.strangers,
    restart:
      provider.restart === undefined
        ? null
        : async (hostname) => {
            if (!started || !provider.restart) return { ...STARTING, kind: 'engine' };
            return provider.restart(hostname, parts.stopping.signal);
          },
    cancel: (id, by) => cancelOperation({ db, queue }, id, by),
    checks: [{ name: 'operations', check: () => Promise.resolve(started ? null : NOT_STARTED) }],
    start: async () => {
      try {
        await begin(options, parts);
        started = true;
      } catch (error) {
        await end(options, parts);
        throw error;
      }
    },
    stop: async (force) => {
      started = false;
      await end(options, parts, force);
    },
  };
}

function notReady({ problem, remedy }: Exclude<Readiness, { readonly ok: true }>): NotReady {
  return { kind: 'not_ready', problem, remedy };
}

function askDestroy(
  { db, randomUuid }: OperationsOptions,
  { queue }: Pick<Parts, 'queue'>,
  by: string,
  hostnames: readonly string[] | null,
): Promise<Requested> {
  const request = { id: randomUuid(), kind: 'destroy', requestedBy: by, numVms: null, hostnames } as const;
  return requestOperation({ db, queue }, request);
}

const NOT_STARTED = 'The queue of operations has not started.';

type Parts = {
  readonly queue: OperationQueue;
  readonly worker: Worker;
  readonly recovery: Recovery;
  readonly ends: Ends;
  readonly strangers: Strangers;
  /** One at a time: a run, or the clearing up after one. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly timers: NodeJS.Timeout[];
  /** What goes on beside the operations; waited for at the end. */
  readonly beside: Set<Promise<unknown>>;
  readonly stopping: AbortController;
  readonly intervals: OperationIntervals;
};

function assemble(options: OperationsOptions): Parts {
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
    strangers: createStrangers(watching),
    inTurn: createTurns(),
    timers: [],
    beside: new Set(),
    stopping,
    intervals,
  };
}

async function begin({ provider }: OperationsOptions, parts: Parts): Promise<void> {
  const { queue, worker, recovery, ends, strangers, inTurn, timers, beside, intervals } = parts;
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
    setInterval(() => asWell(() => strangers.look()), intervals.strangersMs),
  );
  asWell(() => strangers.look());
}

async function end(
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

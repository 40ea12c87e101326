// Operations (launch and destroy runs) for the rest of the program: requests, cancellation, and the background work that
// runs them, recovers from interruptions, and watches the shutdown of VMs and orphans.
import pLimit from 'p-limit';
import { sleep } from '../async/abort.ts';
import type { Db } from '../db/connect.ts';
import { vmExists } from '../db/vms.ts';
import type { Idempotency, OperationRequest } from '../db/operations.ts';
import type { LogFields } from '../log.ts';
import { fail, type Failure } from '../result.ts';
import { hoursFrom } from '../vms/shutdown.ts';
import type { Deployment } from '../vms/hostnames.ts';
import type { CanaryOptions } from './canary.ts';
import { createShutdowns, SHUTDOWN_ACTOR, type Shutdowns, type ShutdownsOptions } from './shutdowns.ts';
import { checkLaunch, createPlanner } from './launch-checks.ts';
import { createOrphans, type Orphans } from './orphans.ts';
import type { ProviderDefinition } from './definition.ts';
import type { Provider, ProvisionEvent, ProvisionResult, VmPlan } from './provider.ts';
import { definitionOf } from './providers.ts';
import { createQueue, type OperationQueue } from './queue.ts';
import { createRecovery, type Recovery } from './recovery.ts';
import { cancelOperation, requestOnce, requestOperation } from './request.ts';
import type { Cancelled, Planned, Repeated, Requested } from './request.ts';
import { requestSelected, type SelectedRequest } from './request-selected.ts';
import { createWorker, type WorkerIntervals } from './worker.ts';

export type OperationIntervals = WorkerIntervals & {
  /** Between two searches for operations that no process runs. */
  readonly recoverMs: number;
  /** A queued operation that no process has taken by then gets a new job. */
  readonly lateMs: number;
  /** A queued operation that no process has taken by then is given up. */
  readonly queuedMs: number;
  /** When the server stops: from asking the current run to end until it is forced to. */
  readonly stopForceAfterMs: number;
  /** Between two reads of the canary's row. */
  readonly canaryPollMs: number;
  /** Between two attempts to send VMs their new shutdown time, and two searches for VMs whose shutdown is due. */
  readonly shutdownsMs: number;
  /** Between two comparisons of rows and VMs. */
  readonly reconcileMs: number;
};

const defaultIntervals: OperationIntervals = {
  leaseMs: 20_000,
  renewMs: 1_000,
  flushMs: 200,
  runLimitMs: 2 * 3_600_000,
  forceAfterMs: 60_000,
  abandonAfterMs: 15_000,
  recoverMs: 10_000,
  lateMs: 15_000,
  queuedMs: 600_000,
  stopForceAfterMs: 10_000,
  canaryPollMs: 1_000,
  shutdownsMs: 30_000,
  reconcileMs: 60_000,
};

type LaunchRules = {
  /** Used if a launch names no hours; null = the VMs never shut down. */
  readonly hours: number | null;
  readonly canary: Pick<CanaryOptions, 'above' | 'limitMs'>;
};

const NO_RULES: LaunchRules = { hours: null, canary: { above: null, limitMs: 900_000 } };

export type OperationServiceOptions = {
  readonly db: Db;
  /** Of the same database: the queue opens a few connections of its own. */
  readonly connectionString: string;
  readonly provider: Provider;
  readonly deployment: Deployment;
  readonly rules?: LaunchRules;
  /** True if no other allocator uses this database. */
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

export type NotReady = { readonly kind: 'not_ready'; readonly failure: Failure };

export type OperationService = {
  readonly deployment: Deployment;
  /** What the provider of this server is and needs. */
  readonly provider: ProviderDefinition & { readonly name: Provider['name'] };
  /** Where VMs are created, if prices depend on it. */
  readonly region: string | null;
  /** How long after its shutdown time a VM shuts itself down; 0 if VMs do not shut themselves down. */
  readonly graceMinutes: number;
  /** A launch of more VMs than this creates one first, as a canary; null = never. */
  readonly canaryAbove: number | null;
  /** What the next VMs would cost and how many are possible; null if VMs cost nothing. Cached, with a time limit. */
  readonly plan: () => Promise<VmPlan | null>;
  /** Whether VMs can be launched right now. */
  readonly readiness: () => Promise<ProvisionResult>;
  /** Used if a launch names no hours; null = the VMs never shut down. */
  readonly defaultHours: number | null;
  readonly launch: (request: {
    readonly numVms: number;
    readonly by: string;
    readonly hours?: number | undefined;
    /** A repetition with the same key gets the same operation. */
    readonly idempotencyKey?: string | null;
    readonly planned?: Planned;
  }) => Promise<Requested | NotReady | Repeated>;
  readonly destroy: (request: {
    readonly by: string;
    readonly idempotencyKey?: string | null;
  }) => Promise<Requested | NotReady | Repeated>;
  /** Destroys what the schedule asks for: these VMs, or all where it names none; with `assignmentIds`, none that somebody else has. */
  readonly destroyPlanned: (request: {
    readonly by: string;
    readonly hostnames: readonly string[] | null;
    readonly assignmentIds: readonly string[] | null;
    readonly planned: Planned;
  }) => Promise<Requested | NotReady>;
  /** Wakes one of the allocators at a time of the database's clock. Both do nothing before the start. */
  readonly timer: Pick<OperationQueue, 'setTimer' | 'onTimer'>;
  /** Destroys one VM. */
  readonly destroyOne: (request: {
    readonly hostname: string;
    readonly by: string;
  }) => Promise<Requested | NotReady | { readonly kind: 'unknown' }>;
  /** Releases, restarts or destroys those of these VMs that nobody else has than `assignmentIds`. */
  readonly actOnSelected: (request: SelectedRequest) => Promise<Requested | NotReady | Repeated>;
  readonly extend: Shutdowns['extend'];
  readonly orphans: Orphans;
  /** Restarts one VM and keeps its disk. Null if the provider cannot. */
  readonly restart: ((hostname: string) => Promise<ProvisionResult>) | null;
  readonly cancel: (id: string, by: string) => Promise<Cancelled>;
  /** For the health of the server; null = ready. */
  readonly checks: readonly { readonly name: string; readonly check: () => Promise<string | null> }[];
  /** Before anything is served from a restored database; see recovery.ts. Needs no start. */
  readonly afterRestore: () => Promise<void>;
  /** Starts the provider, recovers interrupted operations, and begins to run queued ones. */
  readonly start: () => Promise<void>;
  /** Cancels the current run and releases everything. @param force aborted = do not wait any longer */
  readonly stop: (force?: AbortSignal) => Promise<void>;
};

const STARTING = fail({
  code: 'program',
  message: 'The server is still starting.',
  remedy: 'Try again in a few seconds.',
} as const);

export function createOperationService(options: OperationServiceOptions): OperationService {
  const components = createComponents(options);
  const { request, stopping, shutdowns, queue } = components;
  const { db, provider } = options;
  const { hours: defaultHours, canary } = options.rules ?? NO_RULES;
  let started = false;
  const readiness = async (): Promise<ProvisionResult> => (started ? provider.readiness() : STARTING);
  return {
    deployment: options.deployment,
    provider: { ...definitionOf(provider.name), name: provider.name },
    ...{ region: provider.region ?? null, graceMinutes: provider.graceMinutes ?? 0 },
    canaryAbove: canary.above,
    ...{ plan: createPlanner(options), readiness, defaultHours },
    launch: async ({ numVms, by, hours = defaultHours, idempotencyKey = null, planned }) => {
      const idempotency = idempotencyOf(idempotencyKey, `launch ${numVms} ${hours}`);
      return requestOnce(db, idempotency, async (): Promise<Requested | NotReady> => {
        const ready = await readiness();
        const checked = ready.ok ? await checkLaunch(options, numVms) : ready;
        if (!checked.ok) return { kind: 'not_ready', failure: checked.failure };
        const shutdownAt = hours === null ? null : hoursFrom(options.now(), hours);
        return request({ kind: 'launch', requestedBy: by, numVms, shutdownAt, idempotency }, planned);
      });
    },
    destroy: async ({ by, idempotencyKey = null }) => {
      if (!started) return NOT_READY;
      const idempotency = idempotencyOf(idempotencyKey, 'destroy');
      return requestOnce(db, idempotency, () => request({ ...destroyRequest(by, null), idempotency }));
    },
    ...forSchedule(components, () => started),
    destroyOne: async ({ hostname, by }) => {
      if (!started) return NOT_READY;
      if (!(await vmExists(db, hostname))) return { kind: 'unknown' };
      return request(destroyRequest(by, [hostname]));
    },
    actOnSelected: async (asked) => (started ? requestSelected(db, request, asked) : NOT_READY),
    extend: (asked) => shutdowns.extend(asked),
    orphans: components.orphans,
    restart:
      provider.restart === undefined
        ? null
        : async (hostname) =>
            started && provider.restart ? provider.restart(hostname, stopping.signal) : STARTING,
    cancel: (id, by) => cancelOperation({ db, queue }, id, by),
    checks: [{ name: 'operations', check: () => Promise.resolve(started ? null : NOT_STARTED) }],
    afterRestore: () => components.recovery.afterRestore(),
    start: async () => {
      try {
        await start(options, components);
        started = true;
      } catch (error) {
        await stop(options, components);
        throw error;
      }
    },
    stop: async (force) => {
      started = false;
      await stop(options, components, force);
    },
  };
}

function forSchedule(
  { queue, request }: Components,
  isStarted: () => boolean,
): Pick<OperationService, 'destroyPlanned' | 'timer'> {
  return {
    destroyPlanned: async ({ by, hostnames, assignmentIds, planned }) =>
      isStarted() ? request({ ...destroyRequest(by, hostnames), assignmentIds }, planned) : NOT_READY,
    timer: {
      setTimer: async (trx, at) => (isStarted() ? queue.setTimer(trx, at) : undefined),
      onTimer: async (wake) => (isStarted() ? queue.onTimer(wake) : undefined),
    },
  };
}

const idempotencyOf = (key: string | null, request: string): Idempotency | null =>
  key === null ? null : { key, request };

const NOT_STARTED = 'The operation queue has not started.';
const NOT_READY: NotReady = { kind: 'not_ready', failure: STARTING.failure };

type Components = ReturnType<typeof createComponents>;

function createComponents(options: OperationServiceOptions) {
  const { db, provider, log, now, alone, randomUuid } = options;
  const intervals = { ...defaultIntervals, ...options.intervals };
  const owner = randomUuid();
  const stopping = new AbortController();
  const background: Promise<void>[] = [];
  const onError = (error: unknown, doing: string): void =>
    log.warn({ err: error }, `An error while ${doing}.`);
  const onEvent = ({ text, hostname }: ProvisionEvent): void => log.warn({ hostname }, text);
  const queue = createQueue({
    connectionString: options.connectionString,
    runLimitSeconds: Math.ceil(intervals.runLimitMs / 1_000),
    onError,
  });
  const worker = createWorker({
    ...options,
    owner,
    canary: { ...(options.rules ?? NO_RULES).canary, pollMs: intervals.canaryPollMs },
    intervals,
    requestReconcile: () => recovery.requestReconcile(),
    onError,
  });
  const common = { db, provider, now, onEvent, onError, signal: stopping.signal };
  const recovery: Recovery = createRecovery({
    ...common,
    queue,
    owner,
    leaseMs: intervals.leaseMs,
    lateMs: intervals.lateMs,
    queuedMs: intervals.queuedMs,
    alone,
    activeOperation: () => worker.active,
  });
  const request = (
    asked: Omit<OperationRequest, 'id'>,
    { scheduleId, inSameTransaction }: Partial<Planned> = {},
  ): Promise<Requested> => {
    const whole = { id: randomUuid(), ...asked, scheduleId: scheduleId ?? null };
    return requestOperation({ db, queue }, whole, inSameTransaction);
  };
  const requestDestroy: ShutdownsOptions['requestDestroy'] = async (hostnames, check) =>
    (await request(destroyRequest(SHUTDOWN_ACTOR, hostnames), { inSameTransaction: check })).kind ===
    'accepted';
  return {
    queue,
    worker,
    recovery,
    request,
    shutdowns: createShutdowns({ ...common, requestDestroy }),
    orphans: createOrphans(common),
    /** Runs, recovery and the follow-up of due shutdowns exclude each other. */
    exclusively: pLimit(1),
    background,
    stopping,
    intervals,
  };
}

function destroyRequest(by: string, hostnames: readonly string[] | null): Omit<OperationRequest, 'id'> {
  return { kind: 'destroy', requestedBy: by, numVms: null, hostnames };
}

async function start({ provider }: OperationServiceOptions, components: Components): Promise<void> {
  const { queue, worker, recovery, shutdowns, orphans, exclusively, background, intervals } = components;
  const { signal } = components.stopping;
  await provider.start();
  await queue.open();
  await recovery.atStart();
  await queue.work((id) => exclusively(() => worker.run(id)));
  const whileIdle = async (work: () => Promise<void>): Promise<void> => {
    if (worker.active === null) await exclusively(work);
  };
  background.push(
    repeat(intervals.recoverMs, signal, () => whileIdle(() => recovery.check())),
    repeat(intervals.shutdownsMs, signal, () => whileIdle(() => shutdowns.follow())),
    repeat(intervals.shutdownsMs, signal, () => shutdowns.reschedule()),
    orphans.look().then(() =>
      repeat(intervals.reconcileMs, signal, async () => {
        await whileIdle(() => recovery.reconcile());
        await orphans.look();
      }),
    ),
  );
}

async function stop(
  { provider }: OperationServiceOptions,
  { queue, worker, background, stopping, intervals }: Components,
  force?: AbortSignal,
): Promise<void> {
  stopping.abort();
  const forceTimer = setTimeout(worker.force, intervals.stopForceAfterMs);
  force?.addEventListener('abort', worker.force, { once: true });
  const stopped = worker.stop();
  if (force?.aborted) worker.force();
  await stopped;
  clearTimeout(forceTimer);
  await Promise.all(background);
  try {
    await queue.close();
  } finally {
    await provider.stop();
  }
}

/** Runs `work`, which never rejects, again and again, until the signal is aborted. */
async function repeat(ms: number, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    await sleep(ms, signal);
    if (signal.aborted) return;
    await work();
  }
}

// Operations as the rest of the program knows them: ask for one, cancel one, and the machinery behind, which starts and
// stops with the server. The composition of this room.
import { findMachineRow } from '../db/fleet.ts';
import { hoursFrom } from '../vms/shutdown.ts';
import type { Deployment } from '../vms/hostnames.ts';
import type { Ends } from './ends.ts';
import { askDestroy, assemble, begin, end, NO_RULES, type OperationsOptions } from './machinery.ts';
import { fail, type Failure } from '../result.ts';
import { createPlanner } from './plan.ts';
import { checkFirst } from './preflight.ts';
import type { VmPlan, Provider, ProvisionResult } from './provider.ts';
import { cancelOperation, requestOperation, type Cancelled, type Requested } from './request.ts';
import type { Orphans } from './orphans.ts';

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
  readonly plan: () => Promise<VmPlan | null>;
  /** Whether machines can be launched right now. */
  readonly readiness: () => Promise<ProvisionResult>;
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
  readonly orphans: Orphans;
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

export type NotReady = { readonly kind: 'not_ready'; readonly failure: Failure };

const STARTING = fail({
  code: 'program',
  message: 'The server is still starting.',
  remedy: 'Try again in a few seconds.',
} as const);

export function createOperations(options: OperationsOptions): Operations {
  const parts = assemble(options);
  const { queue } = parts;
  const { db, provider, randomUuid } = options;
  const { hours: defaultHours, canary } = options.rules ?? NO_RULES;
  let started = false;
  const readiness = (): Promise<ProvisionResult> =>
    started ? provider.readiness() : Promise.resolve(STARTING);
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
      if (!ready.ok) return notReady(ready.failure);
      const fits = await checkFirst(options, numVms);
      if (!fits.ok) return notReady(fits.failure);
      const shutdownAt = hours === null ? null : hoursFrom(options.now(), hours);
      return requestOperation(
        { db, queue },
        { id: randomUuid(), kind: 'launch', requestedBy: by, numVms, shutdownAt },
      );
    },
    destroy: async ({ by }) => (started ? askDestroy(options, parts, by, null) : notReady(STARTING.failure)),
    destroyOne: async ({ hostname, by }) => {
      if (!started) return notReady(STARTING.failure);
      if (!(await findMachineRow(db, hostname))) return { kind: 'unknown' };
      return askDestroy(options, parts, by, [hostname]);
    },
    extend: (asked) => parts.ends.extend(asked),
    orphans: parts.orphans,
    restart:
      provider.restart === undefined
        ? null
        : async (hostname) => {
            if (!started || !provider.restart) return STARTING;
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

function notReady(failure: Failure): NotReady {
  return { kind: 'not_ready', failure };
}

const NOT_STARTED = 'The queue of operations has not started.';

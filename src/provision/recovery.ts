// Finds operations that no process runs any more and cleans up after them, and compares rows with VMs: at start, because
// either may have changed while the server was away, and at intervals.
import type { Db } from '../db/connect.ts';
import { listVmRows, removeDestroyed } from '../db/vm-rows.ts';
import { appendOperationEvents, type NewOperationEvent } from '../db/operation-events.ts';
import { settleOperationVms } from '../db/operation-vms.ts';
import {
  endOperation,
  findActiveOperation,
  interruptUnstarted,
  lockUnstarted,
  pruneOperations,
  takeOverAbandoned,
  type OperationRecord,
  type OperationProgress,
} from '../db/operations.ts';
import { reconcileFleet, type Reconciled } from './apply-actions.ts';
import type { Provider, ProvisionEvent } from './provider.ts';
import type { OperationQueue } from './queue.ts';
import { createGoneReport } from './report.ts';
import { problemOf, type OperationFailure } from './run.ts';
import { describeFailure } from '../result.ts';

export type RecoveryOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly queue: Pick<OperationQueue, 'enqueue' | 'remove' | 'removeDead' | 'wake'>;
  readonly owner: string;
  readonly leaseMs: number;
  /** A queued operation that no process has taken by then gets a new job, if none that lives has its job. */
  readonly lateMs: number;
  /** A queued operation that no process has taken by then is given up. */
  readonly queuedMs: number;
  /** True if no other process uses this database: then an operation that this process does not run has no process. */
  readonly alone: boolean;
  /** The operation that this process runs right now. */
  readonly activeOperation: () => string | null;
  readonly now: () => Date;
  /** Receives what was found and done outside any operation. */
  readonly onEvent: (event: ProvisionEvent) => void;
  readonly onError: (error: unknown, doing: string) => void;
  /** Aborted = stop destroying VMs. */
  readonly signal: AbortSignal;
};

export type Recovery = {
  /**
   * Compares the rows of a restored database with VMs, before the server serves anything: VMs that were destroyed since the
   * backup go, those that were created since are shown to admins. Rejects if the provider cannot list its VMs.
   */
  afterRestore(): Promise<void>;
  /** Before the first run. Rejects if the database is away; a provider that is away is tried again later. */
  atStart(): Promise<void>;
  /** Called at intervals. Never rejects. */
  check(): Promise<void>;
  /** Compares rows with VMs, unless an operation runs. Called at longer intervals. Never rejects. */
  reconcile(): Promise<void>;
  /** The next check compares rows with VMs. */
  requestReconcile(): void;
};

const INTERRUPTED = {
  code: 'interrupted',
  message: 'The server stopped during the operation; what was half done was cleaned up.',
  remedy: 'Look at the machines; launch or destroy again as needed.',
} as const satisfies OperationFailure;

const NOT_STARTED = {
  code: 'interrupted',
  message: 'The operation was not started in time; nothing was changed.',
  remedy: 'Start it again.',
} as const satisfies OperationFailure;

const OPERATIONS_KEPT = 1_000;

type Emit = (event: ProvisionEvent) => void;

type Comparison = {
  /** @returns null if it could not be done; then it is needed again */
  run(interruptedId: string | null, emit: Emit): Promise<Reconciled | null>;
  /** Unless an operation runs. */
  runIdle(): Promise<void>;
  isNeeded: boolean;
};

function createComparison(options: RecoveryOptions): Comparison {
  /** Ids of VMs without a row that were reported. */
  const reported = new Set<string>();

  function reportUnmanaged({ unmanaged }: Reconciled, emit: Emit): void {
    for (const { id, hostname } of unmanaged) {
      if (reported.has(id ?? hostname)) continue;
      reported.add(id ?? hostname);
      emit({ level: 'warning', hostname, text: 'This machine exists but is not in the list; it is kept.' });
    }
  }

  const comparison: Comparison = {
    isNeeded: false,
    run: async (interruptedId, emit) => {
      try {
        if (interruptedId !== null || comparison.isNeeded) await repair(options, emit);
        const reconciled = await reconcileFleet({ ...options, emit }, interruptedId);
        comparison.isNeeded = false;
        reportUnmanaged(reconciled, emit);
        return reconciled;
      } catch (error) {
        comparison.isNeeded = true;
        options.onError(error, 'comparing rows with the machines of the provider');
        return null;
      }
    },
    runIdle: async () => {
      const active = await findActiveOperation(options.db);
      if (active?.status !== 'running') await comparison.run(null, options.onEvent);
    },
  };
  return comparison;
}

export function createRecovery(options: RecoveryOptions): Recovery {
  const { onError } = options;
  const comparison = createComparison(options);

  /** Whether an interrupted operation was found. */
  async function recoverInterrupted(): Promise<boolean> {
    const operation = await takeOver(options);
    if (operation === null) return false;
    const events: NewOperationEvent[] = [];
    const reconciled = await comparison.run(operation.id, ({ level, hostname, text }) => {
      events.push({ at: options.now(), level, hostname: hostname ?? null, text });
    });
    await endInterrupted(options, operation, events, reconciled);
    return true;
  }

  return {
    afterRestore: async () => {
      await reconcileFleet({ ...options, emit: options.onEvent }, null);
    },
    atStart: async () => {
      await giveUpUnstarted(options);
      // Alone, whatever process had the job is dead.
      await requeue(options, { queuedMs: 0, evenIfHeld: options.alone });
      if (!(await recoverInterrupted())) await comparison.runIdle();
      await pruneOperations(options.db, OPERATIONS_KEPT);
    },
    check: async () => {
      try {
        await giveUpUnstarted(options);
        await requeue(options, { queuedMs: options.lateMs, evenIfHeld: false });
        const recovered = await recoverInterrupted();
        if (!recovered && comparison.isNeeded) await comparison.runIdle();
      } catch (error) {
        onError(error, 'looking for interrupted operations');
      }
    },
    reconcile: () =>
      comparison
        .runIdle()
        .catch((error: unknown) => onError(error, 'comparing rows with the machines of the provider')),
    requestReconcile: () => {
      comparison.isNeeded = true;
    },
  };
}

/** Lets the provider finish or destroy what the interrupted run left half done. Rejects if it cannot. */
async function repair(
  { db, provider, signal }: RecoveryOptions,
  emit: (event: ProvisionEvent) => void,
): Promise<void> {
  const report = createGoneReport((hostname) => removeDestroyed(db, [hostname]), emit);
  const result = await provider.repair?.(report, signal);
  if (result?.ok !== false) return;
  const { failure } = result;
  emit({ level: 'error', text: `What is left could not be cleaned up yet. ${describeFailure(failure)}` });
  throw new Error(failure.message);
}

/** The operation stays `running`, owned by this process, until it is cleaned up, so that no other operation starts. */
function takeOver(options: RecoveryOptions): Promise<OperationRecord | null> {
  const { db, queue, owner, leaseMs, alone } = options;
  return db.transaction().execute(async (trx) => {
    const except = options.activeOperation();
    const operation = await takeOverAbandoned(trx, { owner, leaseMs, alone, except });
    if (operation) await queue.remove(trx, operation.id);
    return operation;
  });
}

async function endInterrupted(
  { db, owner, now }: RecoveryOptions,
  operation: OperationRecord,
  events: readonly NewOperationEvent[],
  reconciled: Reconciled | null,
): Promise<void> {
  const text = describeFailure(INTERRUPTED);
  const last: NewOperationEvent = { at: now(), level: 'error', hostname: null, text };
  await db.transaction().execute(async (trx) => {
    const progress = await progressOf(trx, operation, reconciled);
    const end = { status: 'interrupted', progress, problem: problemOf(INTERRUPTED) } as const;
    await endOperation(trx, { id: operation.id, owner }, end);
    if (reconciled) await settleOperationVms(trx, operation.id);
    await appendOperationEvents(trx, operation.id, [...events, last]);
  });
}

/** A launch has done as many VMs as have a row after the reconciliation. */
async function progressOf(
  db: Db,
  { id, kind, done, failed, total }: OperationRecord,
  reconciled: Reconciled | null,
): Promise<OperationProgress> {
  if (kind !== 'launch' || reconciled === null) return { done, failed, total };
  const rows = await listVmRows(db);
  return { done: rows.filter(({ operationId }) => operationId === id).length, failed, total };
}

/**
 * Gives an operation that has been queued for so long a new job: a process that took its job while the database was away has lost it.
 * @param evenIfHeld also where a process that lives has the job; it may be waiting for a repair or a comparison of its own
 */
async function requeue(
  { db, queue }: RecoveryOptions,
  { queuedMs, evenIfHeld }: { readonly queuedMs: number; readonly evenIfHeld: boolean },
): Promise<void> {
  const isRequeued = await db.transaction().execute(async (trx) => {
    const id = await lockUnstarted(trx, queuedMs);
    if (id === null || ((await queue.removeDead(trx)) && !evenIfHeld)) return false;
    await queue.remove(trx, id);
    await queue.enqueue(trx, id);
    return true;
  });
  if (isRequeued) queue.wake();
}

async function giveUpUnstarted({ db, queue, queuedMs }: RecoveryOptions): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const id = await interruptUnstarted(trx, queuedMs, problemOf(NOT_STARTED));
    if (id !== null) await queue.remove(trx, id);
  });
}

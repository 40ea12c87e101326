// Finds operations that nobody runs any more, and clears up after them: at start, and now and then. At start rows and
// machines are brought together too, whatever happened to either while the server was away.
import type { Db } from '../db/connect.ts';
import { appendOperationEvents, type NewOperationEvent } from '../db/operation-events.ts';
import {
  endedOperations,
  endOperation,
  findActiveOperation,
  interruptUntaken,
  pruneOperations,
  takeOverOrphan,
  unfinishedLaunches,
  type OperationRecord,
  type Progress,
} from '../db/operations.ts';
import { listMachineRows, removeGone } from '../db/fleet.ts';
import type { OperationProblem } from '../vms/operation.ts';
import type { OperationQueue } from './queue.ts';
import type { Provider, ProvisionEvent, ProvisionReport } from './provider.ts';
import { settle, type Settled } from './settle.ts';

export type RecoveryOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly queue: Pick<OperationQueue, 'enqueue' | 'drop'>;
  readonly owner: string;
  readonly leaseMs: number;
  /** A queued operation that nobody took for so long is given up. */
  readonly queuedMs: number;
  /** True where no other process serves this database: an operation that runs elsewhere runs nowhere. */
  readonly alone: boolean;
  /** What this process runs right now. */
  readonly active: () => string | null;
  readonly now: () => Date;
  /** What was found and done, where no operation's output can tell it. */
  readonly onFound: (event: ProvisionEvent) => void;
  readonly onError: (error: unknown, doing: string) => void;
  /** Gives up on ending machines. */
  readonly signal: AbortSignal;
};

export type Recovery = {
  /** Before the first run. Throws where the database is away; a provider that cannot be asked is asked again later. */
  atStart(): Promise<void>;
  /** Now and then. Never throws. */
  again(): Promise<void>;
  /** Rows and machines are to be brought together next time. */
  unsettled(): void;
};

const INTERRUPTED = {
  kind: 'interrupted',
  problem: 'The server ended in the middle of it; what was half done was cleared up.',
  remedy: 'Look at the machines; launch or destroy again as needed.',
} as const satisfies OperationProblem;

const NEVER_BEGUN = {
  kind: 'interrupted',
  problem: 'It was not begun in time; nothing was changed.',
  remedy: 'Ask for it again.',
} as const satisfies OperationProblem;

const OPERATIONS_KEPT = 1_000;

export function createRecovery(options: RecoveryOptions): Recovery {
  const { onError } = options;
  let isUnsettled = false;

  async function settleAll(
    orphanId: string | null,
    tell: (event: ProvisionEvent) => void,
  ): Promise<Settled | null> {
    try {
      if (orphanId !== null || isUnsettled) await mend(options, tell);
      const settled = await settleWorld(options, orphanId, tell);
      isUnsettled = settled === null;
      return settled;
    } catch (error) {
      isUnsettled = true;
      onError(error, 'asking the provider what exists');
      return null;
    }
  }

  async function recoverOrphan(): Promise<boolean> {
    const orphan = await takeOver(options);
    if (orphan === null) return false;
    const events: NewOperationEvent[] = [];
    const settled = await settleAll(orphan.id, ({ level, hostname, text }) => {
      events.push({ at: options.now(), level, hostname: hostname ?? null, text });
    });
    await endOrphan(options, orphan, events, settled);
    return true;
  }

  return {
    atStart: async () => {
      await dropUntaken(options);
      await requeue(options);
      if (!(await recoverOrphan())) await settleAll(null, options.onFound);
      await pruneOperations(options.db, OPERATIONS_KEPT);
    },
    again: async () => {
      try {
        await dropUntaken(options);
        const recovered = await recoverOrphan();
        if (!recovered && isUnsettled && options.active() === null) await settleAll(null, options.onFound);
      } catch (error) {
        onError(error, 'looking for interrupted operations');
      }
    },
    unsettled: () => {
      isUnsettled = true;
    },
  };
}

/** What the interrupted run left half done is ended before anything is judged. Throws where that cannot be done. */
async function mend(
  { db, provider, signal }: RecoveryOptions,
  tell: (event: ProvisionEvent) => void,
): Promise<void> {
  const report: ProvisionReport = {
    event: tell,
    created: () => Promise.resolve(),
    failed: () => Promise.resolve(),
    gone: (hostname) => removeGone(db, [hostname]),
  };
  const result = await provider.repair?.(report, signal);
  if (result?.ok !== false) return;
  tell({
    level: 'error',
    text: `What is left over could not be cleared up yet. ${result.failure.message} ${result.failure.remedy}`,
  });
  throw new Error(result.failure.message);
}

/** The operation is kept running, as ours, until what it left is cleared up: so that no other begins meanwhile. */
function takeOver(options: RecoveryOptions): Promise<OperationRecord | null> {
  const { db, queue, owner, leaseMs, alone } = options;
  return db.transaction().execute(async (trx) => {
    const orphan = await takeOverOrphan(trx, { owner, leaseMs, alone, except: options.active() });
    if (orphan) await queue.drop(trx, orphan.id);
    return orphan;
  });
}

async function endOrphan(
  { db, owner, now }: RecoveryOptions,
  orphan: OperationRecord,
  events: readonly NewOperationEvent[],
  settled: Settled | null,
): Promise<void> {
  const text = `${INTERRUPTED.problem} ${INTERRUPTED.remedy}`;
  const last: NewOperationEvent = { at: now(), level: 'error', hostname: null, text };
  await db.transaction().execute(async (trx) => {
    const progress = await progressOf(trx, orphan, settled);
    await endOperation(
      trx,
      { id: orphan.id, owner },
      { status: 'interrupted', progress, problem: INTERRUPTED },
    );
    await appendOperationEvents(trx, orphan.id, [...events, last]);
  });
}

/** Of a launch, the machines that are there after all. */
async function progressOf(db: Db, orphan: OperationRecord, settled: Settled | null): Promise<Progress> {
  const { id, kind, done, failed, total } = orphan;
  if (kind === 'destroy' || settled === null) return { done, failed, total };
  const rows = await listMachineRows(db);
  return { done: rows.filter(({ operationId }) => operationId === id).length, failed, total };
}

/**
 * Brings together what no active operation is about: the orphan, and all that has ended. Null while another process
 * runs one.
 */
async function settleWorld(
  { db, provider, signal }: RecoveryOptions,
  orphanId: string | null,
  tell: (event: ProvisionEvent) => void,
): Promise<Settled | null> {
  const active = await findActiveOperation(db);
  if (active?.status === 'running' && active.id !== orphanId) return null;
  const over = await endedOperations(db);
  const unfinished = await unfinishedLaunches(db);
  const isOver = (operationId: string): boolean => operationId === orphanId || over.has(operationId);
  const settled = await settle(
    { db, provider, tell, signal },
    {
      row: ({ operationId }) => operationId === null || isOver(operationId),
      // A machine of a launch that went well was a machine of the lab once: that is for an admin to decide.
      orphan: (operationId) => operationId === orphanId || unfinished.has(operationId),
    },
  );
  for (const hostname of settled.unknown)
    tell({ level: 'warning', hostname, text: 'This machine exists, but nothing is known of it; it stays.' });
  return settled;
}

/** A queued operation is ours to begin; should its job have been lost, it has one again. */
async function requeue({ db, queue }: RecoveryOptions): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const active = await findActiveOperation(trx);
    if (active?.status !== 'queued') return;
    await queue.drop(trx, active.id);
    await queue.enqueue(trx, active.id);
  });
}

async function dropUntaken({ db, queue, queuedMs }: RecoveryOptions): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const id = await interruptUntaken(trx, queuedMs, NEVER_BEGUN);
    if (id !== null) await queue.drop(trx, id);
  });
}

// Operations from the request to the end. A unique index allows one active operation. The worker that runs it writes only
// while it holds the lease, so a process that has lost the lease changes nothing.
import { sql, type Selectable } from 'kysely';
import {
  readOperationKind,
  readOperationProblemKind,
  readOperationStatus,
  type OperationFacts,
  type OperationKind,
  type OperationProblem,
  type OperationStatus,
} from '../vms/operation.ts';
import type { Db } from './connect.ts';
import type { Operations } from './schema.gen.ts';

export type OperationRecord = OperationFacts & {
  readonly id: string;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  /** The entry of the schedule that started it. */
  readonly scheduleId: string | null;
  /** A VM with another live assignment is not touched; null: any may be. */
  readonly assignmentIds: readonly string[] | null;
};

type Row = Selectable<Operations>;

function readRow(row: Row): OperationRecord {
  return {
    id: row.id,
    kind: readOperationKind(row.kind),
    status: readOperationStatus(row.status),
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    scheduleId: row.schedule_id,
    cancelRequestedAt: row.cancel_requested_at,
    numVms: row.num_vms,
    hostnames: row.hostnames,
    assignmentIds: row.assignment_ids,
    shutdownAt: row.shutdown_at,
    done: row.done,
    failed: row.failed,
    total: row.total,
    problem: readProblem(row),
  };
}

function readProblem(row: Row): OperationProblem | null {
  const { problem_kind: kind, problem, remedy } = row;
  if (kind === null || problem === null || remedy === null) return null;
  return { kind: readOperationProblemKind(kind), problem, remedy };
}

export type OperationRequest = {
  readonly id: string;
  readonly kind: OperationKind;
  readonly requestedBy: string;
  /** Null except for a launch. */
  readonly numVms: number | null;
  /** The shutdown time of a launch; null = never. */
  readonly shutdownAt?: Date | null;
  /** The VMs of a destroy, a release or a restart; null = all. */
  readonly hostnames?: readonly string[] | null;
  /** Of `hostnames`, a VM with another live assignment is not touched; null: any may be. */
  readonly assignmentIds?: readonly string[] | null;
  readonly idempotency?: Idempotency | null;
  /** The entry of the schedule that asks. */
  readonly scheduleId?: string | null;
};

/** A request that can be repeated: its key, and what was asked. */
export type Idempotency = { readonly key: string; readonly request: string };

/** Adds a queued operation; null if another one is active, or has the same key. Waits for a concurrent request. */
export async function insertOperation(db: Db, request: OperationRequest): Promise<OperationRecord | null> {
  const row = await db
    .insertInto('operations')
    .values({
      id: request.id,
      kind: request.kind,
      requested_by: request.requestedBy,
      num_vms: request.numVms,
      shutdown_at: request.shutdownAt ?? null,
      hostnames: request.hostnames ? [...request.hostnames] : null,
      schedule_id: request.scheduleId ?? null,
      assignment_ids: request.assignmentIds ? [...request.assignmentIds] : null,
      idempotency_key: request.idempotency?.key ?? null,
      idempotency_request: request.idempotency?.request ?? null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row ? readRow(row) : null;
}

/** The operation of an earlier request with this key, and whether that one asked for the same; null if there is none. */
export async function findRepeated(
  db: Db,
  { key, request }: Idempotency,
): Promise<{ readonly operation: OperationRecord; readonly isSame: boolean } | null> {
  const row = await db
    .selectFrom('operations')
    .selectAll()
    .where('idempotency_key', '=', key)
    .executeTakeFirst();
  return row ? { operation: readRow(row), isSame: row.idempotency_request === request } : null;
}

export async function findOperation(db: Db, id: string): Promise<OperationRecord | null> {
  const row = await db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirst();
  return row ? readRow(row) : null;
}

/** The operation that is queued or running; null if there is none. */
export async function findActiveOperation(db: Db): Promise<OperationRecord | null> {
  const row = await db
    .selectFrom('operations')
    .selectAll()
    .where('status', 'in', ACTIVE)
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return row ? readRow(row) : null;
}

const ACTIVE: readonly OperationStatus[] = ['queued', 'running'];

export type OperationPage = { readonly operations: readonly OperationRecord[]; readonly next: string | null };

/** Newest first, those before `after` (an id), at most `limit`. */
export async function listOperations(
  db: Db,
  page: { readonly after?: string | undefined; readonly limit: number },
): Promise<OperationPage> {
  const rows = await db
    .selectFrom('operations')
    .selectAll()
    .$if(page.after !== undefined, (query) =>
      query.where('number', '<', (build) =>
        build
          .selectFrom('operations as last')
          .select('last.number')
          .where('last.id', '=', page.after ?? ''),
      ),
    )
    .orderBy('number', 'desc')
    .limit(page.limit + 1)
    .execute();
  const shown = rows.slice(0, page.limit);
  return {
    operations: shown.map(readRow),
    next: rows.length > page.limit ? (shown.at(-1)?.id ?? null) : null,
  };
}

export type Lease = {
  readonly id: string;
  /** Unique for each run of a process. */
  readonly owner: string;
  readonly leaseMs: number;
};

/** Starts a queued operation; null if it is no longer queued. */
export async function takeOperation(db: Db, lease: Lease): Promise<OperationRecord | null> {
  const row = await db
    .updateTable('operations')
    .set({
      status: 'running',
      started_at: sql<Date>`now()`,
      lease_owner: lease.owner,
      lease_until: leaseEnd(lease),
    })
    .where('id', '=', lease.id)
    .where('status', '=', 'queued')
    .returningAll()
    .executeTakeFirst();
  return row ? readRow(row) : null;
}

/** Renews the lease; null if this owner no longer has it. */
export async function renewLease(
  db: Db,
  lease: Lease,
): Promise<{ readonly cancelRequested: boolean } | null> {
  const row = await db
    .updateTable('operations')
    .set({ lease_until: leaseEnd(lease) })
    .where('id', '=', lease.id)
    .where('status', '=', 'running')
    .where('lease_owner', '=', lease.owner)
    .returning('cancel_requested_at')
    .executeTakeFirst();
  return row ? { cancelRequested: row.cancel_requested_at !== null } : null;
}

function leaseEnd({ leaseMs }: Pick<Lease, 'leaseMs'>) {
  return sql<Date>`now() + make_interval(secs => ${leaseMs / 1_000})`;
}

export type OperationProgress = { readonly done: number; readonly failed: number; readonly total: number };

export async function recordProgress(
  db: Db,
  { id, owner }: Pick<Lease, 'id' | 'owner'>,
  progress: OperationProgress,
): Promise<void> {
  await db
    .updateTable('operations')
    .set({ ...progress })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .where('status', '=', 'running')
    .execute();
}

export type OperationEnd = {
  readonly status: 'succeeded' | 'failed' | 'cancelled' | 'interrupted';
  readonly progress: OperationProgress;
  readonly problem: OperationProblem | null;
};

/** Ends a running operation; false if this owner no longer has the lease. */
export async function endOperation(
  db: Db,
  { id, owner }: Pick<Lease, 'id' | 'owner'>,
  end: OperationEnd,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('operations')
    .set({ ...endedAs(end.status, end.problem), ...end.progress })
    .where('id', '=', id)
    .where('status', '=', 'running')
    .where('lease_owner', '=', owner)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The columns of an operation that ends now. */
export function endedAs(status: OperationEnd['status'], problem: OperationProblem | null) {
  return {
    status,
    ended_at: sql<Date>`now()`,
    problem_kind: problem?.kind ?? null,
    problem: problem?.problem ?? null,
    remedy: problem?.remedy ?? null,
  };
}

/**
 * `requested`: now or before. `cancelled`: it was queued and has ended. `finished`: it had ended before. `unknown`: there is no
 * such operation.
 */
export type CancelResult = 'requested' | 'cancelled' | 'finished' | 'unknown';

/** Requests the cancellation of an operation. A queued operation ends at once, with this problem. */
export async function requestCancel(db: Db, id: string, problem: OperationProblem): Promise<CancelResult> {
  const { rows } = await sql<{ status: string }>`
    update operations set
      cancel_requested_at = coalesce(cancel_requested_at, now()),
      status = case status when 'queued' then 'cancelled' else status end,
      ended_at = case status when 'queued' then now() end,
      problem_kind = case status when 'queued' then ${problem.kind} end,
      problem = case status when 'queued' then ${problem.problem} end,
      remedy = case status when 'queued' then ${problem.remedy} end
    where id = ${id} and status in ('queued', 'running')
    returning status`.execute(db);
  const [row] = rows;
  if (row) return row.status === 'cancelled' ? 'cancelled' : 'requested';
  return (await findOperation(db, id)) ? 'finished' : 'unknown';
}

export type TakeOver = Omit<Lease, 'id'> & {
  /** The operation that this process runs; it is not taken over. */
  readonly except: string | null;
  /** True if no other process can run an operation: takes over without waiting for the lease to expire. */
  readonly alone: boolean;
};

/** Takes over a running operation whose process is gone, to clean up after it; null if there is none. */
export async function takeOverAbandoned(db: Db, given: TakeOver): Promise<OperationRecord | null> {
  const row = await db
    .updateTable('operations')
    .set({ lease_owner: given.owner, lease_until: leaseEnd(given) })
    .where('status', '=', 'running')
    .where('id', 'is distinct from', given.except)
    .where(sql<boolean>`(${given.alone} or lease_until < now())`)
    .returningAll()
    .executeTakeFirst();
  return row ? readRow(row) : null;
}

/** Locks the operation that has been queued for so long. Null where there is none, or another process looks after it. */
export async function lockUnstarted(trx: Db, queuedMs: number): Promise<string | null> {
  const row = await trx
    .selectFrom('operations')
    .select('id')
    .where('status', '=', 'queued')
    .where('requested_at', '<=', sql<Date>`now() - make_interval(secs => ${queuedMs / 1_000})`)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Ends an operation as `interrupted` that no worker has started within `queuedMs`. Returns its id. */
export async function interruptUnstarted(
  db: Db,
  queuedMs: number,
  problem: OperationProblem,
): Promise<string | null> {
  const row = await db
    .updateTable('operations')
    .set(endedAs('interrupted', problem))
    .where('status', '=', 'queued')
    .where('requested_at', '<', sql<Date>`now() - make_interval(secs => ${queuedMs / 1_000})`)
    .returning('id')
    .executeTakeFirst();
  return row?.id ?? null;
}

export type KnownOperation = Pick<OperationRecord, 'id' | 'kind' | 'status'> & {
  /** It comes from the backup from which the database was restored: what it did since is not known. */
  readonly isRestored?: true;
};

/** All operations by id. */
export async function knownOperations(db: Db): Promise<Map<string, KnownOperation>> {
  const rows = await db
    .selectFrom('operations')
    .select(['id', 'kind', 'status'])
    .select(
      sql<boolean>`requested_at <= (select restored_at from deployment_identity) is true`.as('isRestored'),
    )
    .execute();
  return new Map(
    rows.map(({ id, kind, status, isRestored }) => [
      id,
      {
        id,
        kind: readOperationKind(kind),
        status: readOperationStatus(status),
        ...(isRestored && { isRestored: true as const }),
      },
    ]),
  );
}

/** Deletes the oldest operations beyond this many, with their output. */
export async function pruneOperations(db: Db, keep: number): Promise<void> {
  await sql`delete from operations where ended_at is not null
    and number <= (select max(number) from operations) - ${keep}::bigint`.execute(db);
}

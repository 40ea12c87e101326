// The result of an operation for each of its VMs. It is kept when the VM and its row are gone.
import { sql } from 'kysely';
import { byHostname } from '../vms/hostnames.ts';
import { readOperationVmState, type OperationVmState } from '../vms/operation.ts';
import type { Db } from './connect.ts';

export type OperationVmRecord = {
  readonly hostname: string;
  readonly state: OperationVmState;
  /** How long its creation took. */
  readonly seconds: number | null;
  /** Why it failed. */
  readonly detail: string | null;
  readonly at: Date;
};

/** Adds the VMs of an operation as `waiting`; those that it already has stay unchanged. */
export async function planOperationVms(
  db: Db,
  operationId: string,
  hostnames: readonly string[],
): Promise<void> {
  await sql`insert into operation_vms (operation_id, hostname)
    select id, hostname from operations, unnest(${hostnames}::text[]) as given (hostname)
    where id = ${operationId}
    on conflict (operation_id, hostname) do nothing`.execute(db);
}

export type OperationVmResult = Pick<OperationVmRecord, 'state'> &
  Partial<Pick<OperationVmRecord, 'seconds' | 'detail'>>;

/** Longer reasons are cut. NUL is replaced, because Postgres cannot store it. */
const DETAIL_MAX_LENGTH = 1_000;

/** Records the result of VMs, whether they were planned or not. */
export async function recordOperationVms(
  db: Db,
  operationId: string,
  hostnames: readonly string[],
  { state, seconds = null, detail = null }: OperationVmResult,
): Promise<void> {
  if (hostnames.length === 0) return;
  const reason = detail?.replaceAll('\u0000', '\ufffd').slice(0, DETAIL_MAX_LENGTH) ?? null;
  await sql`insert into operation_vms (operation_id, hostname, state, seconds, detail)
    select id, hostname, ${state}, ${seconds}::float8, ${reason}
    from operations, unnest(${hostnames}::text[]) as given (hostname)
    where id = ${operationId}
    on conflict (operation_id, hostname) do update set
      state = excluded.state, seconds = excluded.seconds, detail = excluded.detail, at = now()`.execute(db);
}

/** Records the result of VMs that are still `waiting`. */
export async function finishOperationVms(
  db: Db,
  operationId: string,
  hostnames: readonly string[],
  { state, detail = null }: OperationVmResult,
): Promise<void> {
  if (hostnames.length === 0) return;
  await db
    .updateTable('operation_vms')
    .set({ state, detail, at: sql<Date>`now()` })
    .where('operation_id', '=', operationId)
    .where('hostname', 'in', hostnames)
    .where('state', '=', 'waiting')
    .execute();
}

/**
 * Settles the VMs of an interrupted operation that are still `waiting`: one that has a row exists, and the others do not. What a release or restart
 * has not reported counts as not done.
 */
export async function settleOperationVms(db: Db, operationId: string): Promise<void> {
  await sql`update operation_vms o set at = now(),
      state = case when operations.kind in ('release', 'restart') then 'failed'
        when exists (select from vms where hostname = o.hostname) then 'created'
        when operations.kind = 'launch' then 'failed' else 'destroyed' end,
      detail = case when operations.kind in ('release', 'restart')
          then 'The server stopped during the operation; look at the machine.'
        when operations.kind = 'launch' and not exists (select from vms where hostname = o.hostname)
        then 'The server stopped before this machine was created.' end
    from operations
    where operations.id = o.operation_id and o.operation_id = ${operationId} and o.state = 'waiting'`.execute(
    db,
  );
}

/** All VMs of an operation, by hostname. */
export async function readOperationVms(db: Db, operationId: string): Promise<OperationVmRecord[]> {
  const rows = await db
    .selectFrom('operation_vms')
    .select(['hostname', 'state', 'seconds', 'detail', 'at'])
    .where('operation_id', '=', operationId)
    .execute();
  return rows.map((row) => ({ ...row, state: readOperationVmState(row.state) })).sort(byHostname);
}

type FormerParticipant = {
  readonly email: string;
  /** On the list of participants; empty where it has none. */
  readonly name: string;
};

/** Who had the VMs that an admin selected for a destroy, by hostname: the audit keeps it when the VM and its assignment are gone. */
export async function readFormerParticipants(
  db: Db,
  operationId: string,
): Promise<ReadonlyMap<string, FormerParticipant>> {
  const { rows } = await sql<FormerParticipant & { readonly hostname: string }>`
    select a.hostname, a.detail as email, coalesce(r.name, '') as name
    from audit_events a left join roster r on r.email = a.detail
    where a.operation_id = ${operationId} and a.what = 'destroy' and a.hostname is not null and a.detail <> ''`.execute(
    db,
  );
  return new Map(rows.map(({ hostname, ...person }) => [hostname, person]));
}

// What an operation did with each of its machines. Stays when the machine, and its row, are gone.
import { sql } from 'kysely';
import { readOperationVmState, type OperationVmState } from '../vms/operation.ts';
import type { Db } from './connect.ts';

export type OperationVmRecord = {
  readonly hostname: string;
  readonly state: OperationVmState;
  /** How long it took to make it. */
  readonly seconds: number | null;
  /** Why it failed. */
  readonly detail: string | null;
  readonly at: Date;
};

/** Notes the machines that an operation is about; one that is noted already stays as it is. */
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

/** Postgres stores no NUL; a reason is cut where it is longer than anybody reads. */
const DETAIL_MAX_LENGTH = 1_000;

/** Notes what became of machines, planned or not. */
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

/** Notes what became of those that nobody has told anything of. */
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

/** All machines of an operation, by hostname. */
export async function readOperationVms(db: Db, operationId: string): Promise<OperationVmRecord[]> {
  const rows = await db
    .selectFrom('operation_vms')
    .select(['hostname', 'state', 'seconds', 'detail', 'at'])
    .where('operation_id', '=', operationId)
    .orderBy('hostname')
    .execute();
  return rows.map((row) => ({ ...row, state: readOperationVmState(row.state) }));
}

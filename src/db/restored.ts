// A database that was restored from a backup: what was under way when the backup was made has ended, nobody waits, and what the
// machines did since is not known.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { settleOperationVms } from './operation-vms.ts';
import { endedAs } from './operations.ts';

const INTERRUPTED = {
  kind: 'interrupted',
  problem: 'It was running when the backup was made from which this database was restored.',
  remedy: 'Look at the machines; launch or destroy again as needed.',
} as const;

/** In the transaction that restores. */
export async function markRestored(db: Db): Promise<void> {
  await db
    .updateTable('deployment_identity')
    .set({ restored_at: sql<Date>`now()`, restore_pending: true })
    .execute();
  await db
    .updateTable('operations')
    .set(endedAs('interrupted', INTERRUPTED))
    .where('status', 'in', ['queued', 'running'])
    .execute();
  // What had not been sent when the backup was made is old news.
  await sql`update notification_deliveries set status = 'failed', lease_owner = null, lease_until = null,
    problem = 'It was not sent before the backup from which this database was restored.' where status = 'waiting'`.execute(
    db,
  );
  // Machines that somebody got since wait no more: those that do are given first, until the others report.
  await sql`update vm_presence set available = false, waiting_until = null, waits_at = null,
    revision = nextval('vms_revision')`.execute(db);
  // Pages that were open have seen later revisions than the backup has: to them everything is new.
  await sql`update vms set revision = nextval('vms_revision')`.execute(db);
  await sql`update assignments set revision = nextval('vms_revision')`.execute(db);
}

/** Whether the machines that exist have not been compared with the restored rows yet. */
export async function isRestorePending(db: Db): Promise<boolean> {
  const row = await db.selectFrom('deployment_identity').select('restore_pending').executeTakeFirst();
  return row?.restore_pending === true;
}

/** When the rows have been compared: no machine of an operation that has ended is waited for. */
export async function endRestore(db: Db): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const waiting = await trx
      .selectFrom('operation_vms')
      .innerJoin('operations', 'operations.id', 'operation_vms.operation_id')
      .where('operation_vms.state', '=', 'waiting')
      .where('operations.ended_at', 'is not', null)
      .select('operations.id')
      .distinct()
      .execute();
    for (const { id } of waiting) await settleOperationVms(trx, id);
    await trx.updateTable('deployment_identity').set({ restore_pending: false }).execute();
  });
}

// Which VMs have changed. Every visible change of a VM, its assignment or its presence sets a revision from one sequence.
// Revisions are not committed in order, so that readers must go back a little (see delivery/vm-source.ts).
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type VmRevision = { readonly hostname: string; readonly revision: number };

/** The VMs with a newer revision than this, and the number of all VMs. */
export async function readVmRevisions(
  db: Db,
  after: number,
): Promise<{ readonly changed: VmRevision[]; readonly total: number }> {
  const { rows: changed } = await sql<VmRevision>`
    select hostname, max(revision) as revision from (
      select hostname, revision from vms where revision > ${after}
      union all
      select v.hostname, a.revision from assignments a join vms v on v.assignment_id = a.id where a.revision > ${after}
      union all
      select hostname, revision from vm_presence where revision > ${after}
    ) as newer group by hostname`.execute(db);
  const { total } = await db
    .selectFrom('vms')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { changed, total };
}

/**
 * The revision up to which everything is committed: a page that reads the VMs after this call can continue from here. Null if
 * a transaction was open at this moment.
 */
export async function readPageCursor(db: Db): Promise<number | null> {
  const { rows: drawn } = await sql<{ revision: number }>`
    select case when is_called then last_value else 0 end as revision from vms_revision`.execute(db);
  // Every transaction with a revision up to this one is older than our next transaction.
  const { rows: mine } = await sql<{ id: number }>`
    select pg_current_xact_id()::text::bigint as id`.execute(db);
  const { rows: running } = await sql<{ oldest: number }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest`.execute(db);
  const allCommitted = (running[0]?.oldest ?? 0) > (mine[0]?.id ?? Infinity);
  return allCommitted ? (drawn[0]?.revision ?? null) : null;
}

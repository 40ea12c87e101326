// Which machines have changed: every change of a row, of its assignment and (as far as anybody sees it) of its presence
// moves a revision; all are of one sequence, and the newest counts. Revisions are not committed in their order, so that a
// reader must look back a little (see delivery/vm-feed.ts).
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type VmRevision = { readonly hostname: string; readonly revision: number };

/** Machines whose revision is newer than this, and how many machines there are, changed or not. */
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
    ) as news group by hostname`.execute(db);
  const { total } = await db
    .selectFrom('vms')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { changed, total };
}

/**
 * A revision that a page may go on from which reads the machines afterwards: everything up to it is committed. Null where
 * something was being written at this moment: then a page begins anew.
 */
export async function readPageCursor(db: Db): Promise<number | null> {
  const { rows: drawn } = await sql<{ revision: number }>`
    select case when is_called then last_value else 0 end as revision from vms_revision`.execute(db);
  // Whoever drew a revision up to it has an older transaction than this one.
  const { rows: mine } = await sql<{ id: number }>`
    select pg_current_xact_id()::text::bigint as id`.execute(db);
  const { rows: running } = await sql<{ oldest: number }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest`.execute(db);
  const isSettled = (running[0]?.oldest ?? 0) > (mine[0]?.id ?? Infinity);
  return isSettled ? (drawn[0]?.revision ?? null) : null;
}

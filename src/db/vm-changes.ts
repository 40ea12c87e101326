// Which machines have changed: every change of a row moves its revision. Revisions are not committed in their order, so
// that a reader must look back a little (see delivery/vm-feed.ts).
import type { Db } from './connect.ts';

export type VmRevision = { readonly hostname: string; readonly revision: number };

/** Machines whose revision is newer than this, and how many machines there are, changed or not. */
export async function readVmRevisions(
  db: Db,
  after: number,
): Promise<{ readonly changed: VmRevision[]; readonly total: number }> {
  const changed = await db
    .selectFrom('vms')
    .select(['hostname', 'revision'])
    .where('revision', '>', after)
    .execute();
  const { total } = await db
    .selectFrom('vms')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { changed, total };
}

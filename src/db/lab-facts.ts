// The facts about the lab's availability: the number of VMs by status, and those of a queued launch.
import type { LabFacts } from '../vms/lab-availability.ts';
import type { Db } from './connect.ts';
import { countVms } from './vms.ts';
import { countUnreserved } from './waiting-facts.ts';
import { countWaiting } from './waiting-list.ts';

export async function readLabFacts(db: Db): Promise<LabFacts> {
  const [counts, free, waiting, launch] = await Promise.all([
    countVms(db),
    countUnreserved(db),
    countWaiting(db),
    db
      .selectFrom('operations')
      .select('num_vms')
      .where('kind', '=', 'launch')
      .where('status', '=', 'queued')
      .executeTakeFirst(),
  ]);
  const of = (status: Parameters<typeof counts.byStatus.get>[0]): number => counts.byStatus.get(status) ?? 0;
  // They have no rows yet.
  const queued = launch?.num_vms ?? 0;
  return {
    free,
    waiting,
    ready: of('running'),
    starting: of('initializing') + queued,
    resetting: of('recycling'),
    total: counts.total - of('destroying') + queued,
  };
}

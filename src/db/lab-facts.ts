// The facts about the lab's availability: the number of VMs by status, and the newest operation.
import type { LabFacts } from '../vms/lab-availability.ts';
import type { Db } from './connect.ts';
import { countVms } from './vms.ts';

export async function readLabFacts(db: Db): Promise<LabFacts> {
  const [counts, last] = await Promise.all([
    countVms(db),
    db
      .selectFrom('operations')
      .select(['kind', 'status', 'num_vms', 'total'])
      .where('status', 'in', ['queued', 'running', 'succeeded'])
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst(),
  ]);
  const of = (status: Parameters<typeof counts.byStatus.get>[0]): number => counts.byStatus.get(status) ?? 0;
  const existing = counts.total - of('destroying');
  // The VMs of a queued launch have no rows yet.
  const queued = last?.kind === 'launch' && last.status === 'queued' ? (last.num_vms ?? 0) : 0;
  const isDestroying = last?.kind === 'destroy' && last.status !== 'succeeded';
  const wereDestroyed = last?.kind === 'destroy' && last.status === 'succeeded' && existing === 0;
  return {
    free: counts.free,
    ready: of('running'),
    starting: of('initializing') + queued,
    resetting: of('recycling'),
    total: existing + queued,
    ended: isDestroying || wereDestroyed || (existing === 0 && counts.total > 0),
  };
}

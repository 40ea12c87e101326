// What the rule of where things stand wants to know: the machines by status, and what the newest operation is about.
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
  const there = counts.total - of('destroying');
  // Before a launch has begun, its machines have no rows yet.
  const awaited = last?.kind === 'launch' && last.status === 'queued' ? (last.num_vms ?? 0) : 0;
  const isDestroying = last?.kind === 'destroy' && last.status !== 'succeeded';
  const wereDestroyed = last?.kind === 'destroy' && last.status === 'succeeded' && there === 0;
  return {
    free: counts.free,
    ready: of('running'),
    starting: of('initializing') + awaited,
    emptying: of('recycling'),
    total: there + awaited,
    ended: isDestroying || wereDestroyed || (there === 0 && counts.total > 0),
  };
}

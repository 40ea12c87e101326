// The facts from which waits are estimated, and how many machines the waiting list needs.
import { sql } from 'kysely';
import type { WaitFacts } from '../vms/waiting.ts';
import type { Db } from './connect.ts';
import { condition, isUnreserved } from './predicates.ts';
import { phaseSeconds } from './timings.ts';

/** Fewer times between releases say nothing about the next one. */
const LEAST_GAPS = 2;

/** Of the newest launch with machines that are not ready yet, and of the releases of the last half hour. */
export async function readWaitFacts(db: Db): Promise<WaitFacts> {
  const { rows } = await sql<{
    starting: number | null;
    running_seconds: number | null;
    start_seconds: number | null;
    seconds_per_release: number | null;
  }>`
    select launch.starting, launch.running_seconds, releases.seconds_per_release, (
        select percentile_cont(0.8) within group (
          order by t.provisioning_seconds + ${phaseSeconds('cloud_init')} + ${phaseSeconds('container')})
        from vm_timings t
      ) as start_seconds
    from (
      select case when count(*) >= ${LEAST_GAPS} then percentile_cont(0.5) within group (order by gap) end as seconds_per_release
      from (
        select extract(epoch from at - lag(at) over (order by at))::float8 as gap
        from assignment_changes where kind = 'released' and at > now() - interval '30 minutes'
      ) as gaps where gap is not null
    ) as releases
    left join (
      select extract(epoch from now() - coalesce(started_at, requested_at))::float8 as running_seconds, starting
      from operations o cross join lateral (
        select case when o.status = 'queued' then o.num_vms
          else (select count(*)::int from vms where operation_id = o.id and status = 'initializing') end as starting
      ) as machines
      where kind = 'launch' and starting > 0 order by number desc limit 1
    ) as launch on true`.execute(db);
  const [row] = rows;
  return {
    launch:
      row === undefined || row.starting === null
        ? null
        : {
            starting: row.starting,
            runningSeconds: row.running_seconds ?? 0,
            startSeconds: row.start_seconds,
          },
    secondsPerRelease: row?.seconds_per_release ?? null,
  };
}

/** VMs that could be claimed now, were it not for the list. */
export async function countUnreserved(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('vms')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where(condition(isUnreserved()))
    .executeTakeFirstOrThrow();
  return count;
}

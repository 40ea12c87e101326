// Start-up timings: upserts, so that nothing is lost when many VMs report at once.
import { sql } from 'kysely';
import type { PhaseTiming, ReportedTimings } from '../vms/timings.ts';
import type { Db } from './connect.ts';
import { seenOrLate, type ReportResult } from './reports.ts';

/** Adds the values of a report; missing ones stay unchanged. */
export async function recordTimings(
  db: Db,
  hostname: string,
  timings: ReportedTimings,
): Promise<ReportResult> {
  const result = await seenOrLate(db, hostname);
  if (result !== 'recorded') return result;
  const { cloudInit, container } = timings;
  await sql`
    insert into vm_timings as known
      (hostname, cloud_init_start, cloud_init_end, cloud_init_seconds, container_start, container_end, container_seconds)
    select hostname, ${time(cloudInit.start)}, ${time(cloudInit.end)}, ${cloudInit.seconds}::float8,
           ${time(container.start)}, ${time(container.end)}, ${container.seconds}::float8
    from vms where hostname = ${hostname}
    on conflict (hostname) do update set
      cloud_init_start = coalesce(excluded.cloud_init_start, known.cloud_init_start),
      cloud_init_end = coalesce(excluded.cloud_init_end, known.cloud_init_end),
      cloud_init_seconds = coalesce(excluded.cloud_init_seconds, known.cloud_init_seconds),
      container_start = coalesce(excluded.container_start, known.container_start),
      container_end = coalesce(excluded.container_end, known.container_end),
      container_seconds = coalesce(excluded.container_seconds, known.container_seconds)`.execute(db);
  return 'recorded';
}

function time(epochSeconds: PhaseTiming['start']) {
  return sql`to_timestamp(${epochSeconds}::float8)`;
}

/** The reported seconds of a phase, or the time from start to end; null if the clock ran backwards. */
export function phaseSeconds(phase: 'cloud_init' | 'container') {
  const start = sql.ref(`t.${phase}_start`);
  const end = sql.ref(`t.${phase}_end`);
  return sql<number | null>`coalesce(${sql.ref(`t.${phase}_seconds`)},
    case when ${end} >= ${start} then extract(epoch from ${end} - ${start})::float8 end)`;
}

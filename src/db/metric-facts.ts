// What metrics say about machines, operations and space: a few counts, each of one small table or of the catalogue.
import { sql } from 'kysely';
import { providersWhere } from '../provision/providers.ts';
import type { Db } from './connect.ts';
import { condition, isAssigned } from './predicates.ts';

export type MetricFacts = {
  readonly assigned: number;
  readonly pastEnd: number;
  readonly withoutEnd: number;
  readonly endNotSet: number;
  readonly workNotDownloaded: number;
  readonly workEndsAt: Date | null;
  readonly queued: number;
  readonly running: number;
  readonly activeOperationSeconds: number;
  readonly logBytes: number;
  readonly databaseBytes: number;
};

/** An operation that has ended. `endedAt` as Postgres writes it: a Date has no microseconds. */
export type EndedOperation = {
  readonly kind: string;
  readonly outcome: string;
  readonly seconds: number;
  readonly endedAt: string;
};

/**
 * The participant of the machine has got a command there, and no complete download began later. The files of those before were
 * deleted by the reset.
 */
export const WORK_NOT_DOWNLOADED = `a.delivered_at is not null and v.status <> 'initializing'
  and not exists (select from vm_downloads d where d.hostname = v.hostname and d.complete and d.downloaded_at > a.delivered_at)`;

/** @param graceMinutes how long after its shutdown time a machine may exist */
export async function readMetricFacts(db: Db, graceMinutes: number): Promise<MetricFacts> {
  const billing = providersWhere(({ bills }) => bills);
  const { rows } = await sql<MetricFacts>`
    with ends as (
      select count(*) filter (where ${condition(isAssigned())})::int as assigned,
        count(*) filter (where shutdown_at < now() - make_interval(mins => ${graceMinutes}::int))::int as past_end,
        count(*) filter (where shutdown_at is null and requested_shutdown_at is null
          and provider = any(${billing}::text[]) and status <> 'destroying')::int as without_end,
        count(*) filter (where shutdown_error is not null)::int as end_not_set
      from vms
    ), work as (
      select count(*)::int as machines, min(v.shutdown_at) as ends_at
      from vms v join assignments a on a.id = v.assignment_id where ${condition(WORK_NOT_DOWNLOADED)}
    ), active as (
      select count(*) filter (where status = 'queued')::int as queued,
        count(*) filter (where status = 'running')::int as running,
        coalesce(extract(epoch from now() - min(requested_at)), 0)::float8 as seconds
      from operations where status in ('queued', 'running')
    )
    select assigned, past_end as "pastEnd", without_end as "withoutEnd", end_not_set as "endNotSet",
      work.machines as "workNotDownloaded", work.ends_at as "workEndsAt", queued, running,
      active.seconds as "activeOperationSeconds", pg_total_relation_size('vm_logs') as "logBytes",
      pg_database_size(current_database()) as "databaseBytes"
    from ends, work, active`.execute(db);
  const [facts] = rows;
  if (facts === undefined) throw new Error('a statement of aggregates has one row');
  return facts;
}

/** The time of the database, after which `readEndedOperations` looks first. */
export async function readDatabaseTime(db: Db): Promise<string> {
  const { rows } = await sql<{ now: string }>`select now()::text as now`.execute(db);
  return rows[0]?.now ?? 'infinity';
}

/** Those that ended after this time, the earliest first. Only one runs at a time, so none is added before another. */
export async function readEndedOperations(db: Db, after: string): Promise<EndedOperation[]> {
  const { rows } = await sql<EndedOperation>`
    select kind, status as outcome, ended_at::text as "endedAt",
      extract(epoch from ended_at - coalesce(started_at, requested_at))::float8 as seconds
    from operations where ended_at > ${after}::timestamptz order by ended_at`.execute(db);
  return rows;
}

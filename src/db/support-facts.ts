// What a support bundle says about the database and of what is in it: no PIN, command, token, name or log line of a participant is
// selected. E-mail addresses stand in texts only, and are replaced by the caller.
import { sql } from 'kysely';
import { showCode } from '../vms/workshop-code.ts';
import type { Db } from './connect.ts';

/** The newest; the others are in the database still. */
const OPERATIONS = 50;
const OPERATION_EVENTS = 5_000;
const EVENTS_OF_THE_LAST_DAY = 10_000;
const BACKUPS = 20;
const CODE_SETTING = 'code';

type Rows = Promise<readonly object[]>;

const run = async (db: Db, text: string): Rows => (await sql.raw<object>(text).execute(db)).rows;

/** By the name of their file in the bundle, as lines. Each reads by itself, so that one that fails leaves the others. */
export const supportRows = {
  operations: {
    about: 'the newest launches and destroys',
    query: (db) =>
      run(
        db,
        `select id, kind, status, requested_by, requested_at, started_at, ended_at, num_vms, hostnames, total, done, failed,
         problem_kind, problem, remedy, cancel_requested_at, shutdown_at, lease_until
       from operations order by number desc limit ${OPERATIONS}`,
      ),
  },
  'operation-events': {
    about: 'their output',
    query: (db) =>
      run(
        db,
        `select * from (select id, operation_id, at, level, hostname, text from operation_events order by id desc limit ${OPERATION_EVENTS}) e
       order by id`,
      ),
  },
  audit: {
    about: 'what admins did in the last day',
    query: (db) => run(db, lastDay('audit_events', 'at, who, what, detail, hostname, operation_id')),
  },
  machines: {
    about: 'every machine: status, presence, shutdown time',
    query: (db) =>
      run(
        db,
        `select v.hostname, v.provider, v.provider_id, v.status, v.status_event, v.status_since, v.created_at, v.operation_id,
         v.assignment_id is not null as assigned, v.reserved_until, v.in_use, v.gpu_health, v.gpu_since, v.silent_since,
         v.twin_since, v.shutdown_at, v.requested_shutdown_at, v.shutdown_error, p.last_seen_at, p.waiting_until,
         p.available, p.confirms, p.free_disk_bytes, a.assigned_at, a.delivered_at, a.acknowledged_at, a.outcome
       from vms v left join vm_presence p using (hostname) left join assignments a on a.id = v.assignment_id
       order by v.hostname`,
      ),
  },
  'machine-events': {
    about: 'what happened to machines in the last day',
    query: (db) => run(db, lastDay('vm_events', 'at, hostname, status, event')),
  },
  backups: {
    about: 'the newest backups',
    query: (db) =>
      run(db, `select at, kind, place, bytes, problem from backups order by id desc limit ${BACKUPS}`),
  },
} as const satisfies Record<string, { about: string; query: (db: Db) => Rows }>;

function lastDay(table: string, columns: string): string {
  return `select * from (select id, ${columns} from ${table} where at > now() - interval '1 day' order by id desc
    limit ${EVENTS_OF_THE_LAST_DAY}) e order by id`;
}

/** About the database itself, each by itself too. */
export const databaseFacts = {
  server: (db) =>
    run(
      db,
      `select version(), pg_postmaster_start_time() as started_at, pg_is_in_recovery() as is_standby,
         pg_database_size(current_database()) as database_bytes, current_database() as database, now() as now,
         pg_encoding_to_char(encoding) as encoding, datcollate as collation from pg_database where datname = current_database()`,
    ),
  settings: (db) =>
    run(
      db,
      `select name, setting, unit, source from pg_settings where name in ('max_connections', 'shared_buffers', 'work_mem', 'fsync',
         'synchronous_commit', 'full_page_writes', 'max_wal_size', 'autovacuum', 'statement_timeout', 'idle_in_transaction_session_timeout',
         'default_transaction_read_only', 'jit', 'ssl', 'timezone', 'max_parallel_workers_per_gather') order by name`,
    ),
  activity: (db) =>
    run(
      db,
      `select numbackends, xact_commit, xact_rollback, blks_read, blks_hit, tup_returned, tup_inserted, tup_updated, tup_deleted,
         conflicts, temp_files, temp_bytes, deadlocks, sessions_abandoned, sessions_fatal, sessions_killed, stats_reset
       from pg_stat_database where datname = current_database()`,
    ),
  connections: (db) =>
    run(
      db,
      `select application_name, state, wait_event_type, wait_event, count(*)::int as connections,
         max(now() - xact_start)::text as oldest_transaction, max(now() - state_change)::text as longest_in_state
       from pg_stat_activity where datname = current_database() group by 1, 2, 3, 4 order by 5 desc`,
    ),
  // Statements of the allocator only: they have parameters in the place of values.
  long_statements: (db) =>
    run(
      db,
      `select pid, application_name, state, wait_event_type, wait_event, (now() - query_start)::text as since,
         pg_blocking_pids(pid) as blocked_by, case when application_name like 'lablink%' then left(query, 300) end as query
       from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         and state <> 'idle' and query_start < now() - interval '1 second' order by query_start limit 100`,
    ),
  tables: (db) =>
    run(
      db,
      `select schemaname as schema, relname as table, n_live_tup as rows, n_dead_tup as dead_rows,
         pg_total_relation_size(relid) as bytes, seq_scan, idx_scan, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del,
         last_vacuum, last_autovacuum, last_analyze, last_autoanalyze
       from pg_stat_user_tables order by 5 desc, 2`,
    ),
  migrations: (db) =>
    run(
      db,
      `select migration, breaking, k.timestamp as applied_at from schema_compatibility left join kysely_migration k on k.name = migration
       order by migration`,
    ),
  queue: (db) =>
    run(
      db,
      `select name, state::text, count(*)::int as jobs, min(created_on) as oldest from lablink_queue.job group by 1, 2 order by 1, 2`,
    ),
  machines_by_status: (db) =>
    run(
      db,
      `select provider, status, count(*)::int as machines, count(assignment_id)::int as assigned from vms group by 1, 2 order by 1, 2`,
    ),
  waiting: (db) =>
    run(
      db,
      `select count(*)::int as waiting, count(reserved_vm)::int as reserved, min(since) as longest_since
       from waiting_list where left_at is null`,
    ),
  changed_settings: (db) => run(db, `select key, changed_at from settings order by key`),
} as const satisfies Record<string, (db: Db) => Rows>;

/** What must not be in the bundle, and stands in the database: the workshop code, and the addresses of people. */
export async function readWhatToHide(
  db: Db,
): Promise<{ readonly secrets: string[]; readonly emails: string[] }> {
  const codes = await db.selectFrom('settings').select('value').where('key', '=', CODE_SETTING).execute();
  const { rows } = await sql<{ email: string }>`
    select email from assignments union select email from roster union select email from roster_requests
    union select email from waiting_list`.execute(db);
  const secrets = codes.flatMap(({ value }) => (typeof value === 'string' ? [value, showCode(value)] : []));
  return { secrets, emails: rows.map(({ email }) => email) };
}

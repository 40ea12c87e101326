// Logs of VMs: one row per line, in the order of arrival. The newest lines of each VM are kept, up to a limit.
import { sql } from 'kysely';
import pLimit from 'p-limit';
import type { Db } from './connect.ts';
import { BOUNDED, grouped, ofReports } from './grouped.ts';

export type LogBatch = {
  readonly hostname: string;
  /** Lines without NUL bytes. */
  readonly lines: readonly string[];
  /** One per line; null if the sender has none. */
  readonly eventIds: readonly string[] | null;
};

/** Used together with a hash of the hostname; no other advisory lock has this number. */
const APPEND_LOCK = 7_204;
/** A larger batch has a statement of its own. */
const SMALL_BATCH_BYTES = 16_384;

/** Appends the lines, without events that are already stored; returns the number of stored lines. */
export type AppendLogs = (db: Db, batch: LogBatch) => Promise<number>;

/**
 * Small batches of different VMs are written together. One that is large, or whose VM is being written by another allocator, is
 * written alone. Of one VM, only one batch at a time may be given.
 * @param connections how many of the pool's connections batches that are written alone may use
 */
export function createLogAppender(connections: number): AppendLogs {
  const writers = pLimit(connections);
  const alone: AppendLogs = (db, batch) => writers(() => appendLogs(db, batch));
  const inGroup = grouped<LogBatch, number>({
    name: 'logs',
    keyOf: ({ hostname }) => hostname,
    ...ofReports,
    together: appendTogether,
    alone,
  });
  return (db, batch) => (logBytes(batch.lines) > SMALL_BATCH_BYTES ? alone : inGroup)(db, batch);
}

/**
 * Batches of one VM are written one after another, so that ids become visible in order, and a reader who continues after the last
 * id misses none.
 */
export async function appendLogs(db: Db, batch: LogBatch): Promise<number> {
  const { rows } = await sql<{ stored: number }>`
    with locked as materialized (
      select pg_advisory_xact_lock(${APPEND_LOCK}::int, hashtext(${batch.hostname}))
    ), stored as (
      insert into vm_logs (hostname, line, event_id)
      select ${batch.hostname}, line, event_id
      from locked, unnest(${batch.lines}::text[], ${batch.eventIds ?? []}::text[])
        with ordinality as given (line, event_id, position)
      where line is not null
      order by position
      on conflict (hostname, event_id) where event_id is not null do nothing
      returning 1
    )
    select count(*)::int as stored from stored`.execute(db);
  return rows[0]?.stored ?? 0;
}

/** A batch each of different VMs, as above. Undefined: somebody else is writing lines of this VM. */
async function appendTogether(db: Db, batches: readonly LogBatch[]): Promise<(number | undefined)[]> {
  const lines = batches.flatMap(({ hostname, lines: of, eventIds }) =>
    of.map((line, index) => ({ hostname, line, eventId: eventIds?.[index] ?? null })),
  );
  const { rows } = await sql<{ hostname: string; stored: number }>`
    with given as (
      select given.* from unnest(${lines.map(({ hostname }) => hostname)}::text[], ${lines.map(({ line }) => line)}::text[],
        ${lines.map(({ eventId }) => eventId)}::text[])
        with ordinality as given (hostname, line, event_id, position)${sql.raw(BOUNDED)}
    ), machines as materialized (
      select hostname, pg_try_advisory_xact_lock(${APPEND_LOCK}::int, hashtext(hostname)) as is_locked
      from unnest(${batches.map(({ hostname }) => hostname)}::text[]) as machines (hostname)
    ), stored as (
      insert into vm_logs (hostname, line, event_id)
      select hostname, line, event_id from given join machines using (hostname) where is_locked order by position
      on conflict (hostname, event_id) where event_id is not null do nothing
      returning hostname
    )
    select hostname, count(stored.hostname)::int as stored from machines left join stored using (hostname)
    where is_locked group by hostname`.execute(db);
  const storedOf = new Map(rows.map(({ hostname, stored }) => [hostname, stored]));
  return batches.map(({ hostname }) => storedOf.get(hostname));
}

export type StoredLogs = { readonly lines: readonly string[]; readonly linesCut: number };

/** All stored lines of one VM, oldest first. */
export async function readLogs(db: Db, hostname: string): Promise<StoredLogs> {
  const rows = await db
    .selectFrom('vm_logs')
    .select('line')
    .where('hostname', '=', hostname)
    .orderBy('id')
    .execute();
  const cut = await db
    .selectFrom('vm_log_cuts')
    .select('lines_cut')
    .where('hostname', '=', hostname)
    .executeTakeFirst();
  return { lines: rows.map(({ line }) => line), linesCut: cut?.lines_cut ?? 0 };
}

export type NumberedLine = { readonly id: number; readonly line: string };

export type LogTail = {
  /** The newest lines, oldest first; very long lines are cut. */
  readonly lines: readonly NumberedLine[];
  /** The number of stored lines before these. */
  readonly older: number;
  /** The number of lines that were deleted before those. */
  readonly linesCut: number;
};

/** One more character than is shown, so that the reader can see that the line was cut. */
const cutLine = (maxLength: number) => sql<string>`left(line, ${maxLength + 1}::int)`;

/** The newest `limit` lines. */
export async function readLogTail(
  db: Db,
  hostname: string,
  { limit, maxLength }: { readonly limit: number; readonly maxLength: number },
): Promise<LogTail> {
  const { rows } = await sql<{ lines: NumberedLine[] | null; kept: number; lines_cut: number }>`
    select
      (select json_agg(json_build_object('id', id, 'line', line) order by id) from (
        select id, ${cutLine(maxLength)} as line from vm_logs
        where hostname = ${hostname} order by id desc limit ${limit}) as newest) as lines,
      (select count(*) from vm_logs where hostname = ${hostname})::int as kept,
      coalesce((select lines_cut from vm_log_cuts where hostname = ${hostname}), 0)::int as lines_cut`.execute(
    db,
  );
  const { lines, kept, lines_cut: linesCut } = rows[0] ?? { lines: null, kept: 0, lines_cut: 0 };
  return { lines: lines ?? [], older: kept - (lines?.length ?? 0), linesCut };
}

/** Lines after this id, in order, at most `limit`. */
export async function readLogsAfter(
  db: Db,
  hostname: string,
  { after, limit, maxLength }: { readonly after: number; readonly limit: number; readonly maxLength: number },
): Promise<NumberedLine[]> {
  return db
    .selectFrom('vm_logs')
    .select(['id', cutLine(maxLength).as('line')])
    .where('hostname', '=', hostname)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

export type LogPosition = {
  /** The number of lines that the VM has sent up to this id, including deleted ones. */
  readonly number: number;
  /** The number of stored lines after it. */
  readonly behind: number;
};

/** The position of an id among the lines of a VM. */
export async function findLogPosition(db: Db, hostname: string, id: number): Promise<LogPosition> {
  const { rows } = await sql<LogPosition>`
    select (coalesce((select lines_cut from vm_log_cuts where hostname = ${hostname}), 0)
        + count(*) filter (where id <= ${id}))::int as number,
      count(*) filter (where id > ${id})::int as behind
    from vm_logs where hostname = ${hostname}`.execute(db);
  return rows[0] ?? { number: 0, behind: 0 };
}

/** The id before the newest `keep` lines; null if there are no older lines. */
export async function findLogCut(db: Db, hostname: string, keep: number): Promise<number | null> {
  const row = await db
    .selectFrom('vm_logs')
    .select('id')
    .where('hostname', '=', hostname)
    .orderBy('id', 'desc')
    .offset(keep)
    .limit(1)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Counted for each line in addition to its text, so that empty lines count too. */
const LINE_OVERHEAD_BYTES = 64;

/** The size of these lines as it counts towards the limit of their VM. */
export function logBytes(lines: readonly string[]): number {
  return lines.reduce((bytes, line) => bytes + Buffer.byteLength(line) + LINE_OVERHEAD_BYTES, 0);
}

type Limit = { readonly hostname: string; readonly maxBytes: number };
/** All lines of each are read. */
const MAX_PRUNED = 16;

/** Deletes the oldest lines beyond `maxBytes` (see `logBytes`) and counts them. Returns how many. */
export async function pruneLogs(db: Db, hostname: string, maxBytes: number): Promise<number> {
  return pruneInGroup(db, { hostname, maxBytes });
}

const pruneInGroup = grouped<Limit, number>({
  name: 'log limits',
  keyOf: ({ hostname }) => hostname,
  ...ofReports,
  maxSize: MAX_PRUNED,
  together: (db, limits) => prune(db, limits, BOUNDED),
  alone: async (db, limit) => (await prune(db, [limit], ''))[0] ?? 0,
});

async function prune(db: Db, limits: readonly Limit[], bounded: string): Promise<number[]> {
  const { rows } = await sql<{ hostname: string; cut: number }>`
    with given as (
      select given.* from unnest(${limits.map(({ hostname }) => hostname)}::text[], ${limits.map(({ maxBytes }) => maxBytes)}::bigint[])
        as given (hostname, max_bytes)${sql.raw(bounded)}
    ), sized as (
      select id, hostname, max_bytes, sum(octet_length(line) + ${LINE_OVERHEAD_BYTES}::int)
        over (partition by hostname order by id desc) as newer_bytes
      from vm_logs join given using (hostname)
    ), dropped as (
      delete from vm_logs using sized
      where vm_logs.hostname = sized.hostname and vm_logs.id = sized.id and newer_bytes > max_bytes
      returning vm_logs.hostname
    ), counted as (
      select hostname, count(*)::int as cut from dropped group by hostname
    ), noted as (
      insert into vm_log_cuts as known (hostname, lines_cut)
      select hostname, cut from counted order by hostname
      on conflict (hostname) do update set lines_cut = known.lines_cut + excluded.lines_cut
    )
    select hostname, cut from counted`.execute(db);
  const cutOf = new Map(rows.map(({ hostname, cut }) => [hostname, cut]));
  return limits.map(({ hostname }) => cutOf.get(hostname) ?? 0);
}

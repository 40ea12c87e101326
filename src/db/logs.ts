// Logs of VMs: one row per line, in the order of arrival. The newest lines of each VM are kept, up to a limit.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type LogBatch = {
  readonly hostname: string;
  /** Lines without NUL bytes. */
  readonly lines: readonly string[];
  /** One per line; null if the sender has none. */
  readonly eventIds: readonly string[] | null;
};

/** Used together with a hash of the hostname; no other advisory lock has this number. */
const APPEND_LOCK = 7_204;

/**
 * Appends the lines, without events that are already stored; returns the number of stored lines. Batches of one VM are
 * written one after another, so that ids become visible in order, and a reader who continues after the last id misses none.
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

/** Deletes the oldest lines beyond `maxBytes` (see `logBytes`) and counts them. Returns how many. */
export async function pruneLogs(db: Db, hostname: string, maxBytes: number): Promise<number> {
  const { rows } = await sql<{ cut: number }>`
    with sized as (
      select id, sum(octet_length(line) + ${LINE_OVERHEAD_BYTES}::int) over (order by id desc) as newer_bytes
      from vm_logs where hostname = ${hostname}
    ), dropped as (
      delete from vm_logs using sized
      where vm_logs.hostname = ${hostname} and vm_logs.id = sized.id and sized.newer_bytes > ${maxBytes}
      returning 1
    ), counted as (
      insert into vm_log_cuts as known (hostname, lines_cut)
      select ${hostname}, count(*) from dropped having count(*) > 0
      on conflict (hostname) do update set lines_cut = known.lines_cut + excluded.lines_cut
    )
    select count(*)::int as cut from dropped`.execute(db);
  return rows[0]?.cut ?? 0;
}

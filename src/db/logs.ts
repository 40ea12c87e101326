// Logs of VMs: append-only rows, one per line, in the order of arrival; a bounded amount per VM, the newest kept.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type LogBatch = {
  readonly hostname: string;
  /** Lines without NUL bytes. */
  readonly lines: readonly string[];
  /** One per line, or null where the sender gives none. */
  readonly eventIds: readonly string[] | null;
};

/** With a hash of the hostname: any constant of ours that no other advisory lock has. */
const APPEND_LOCK = 7_204;

/**
 * Appends the lines; an event that is known already adds nothing. Returns how many were stored. Batches of one machine
 * come one after another, so that their ids become visible in order: a reader who goes on after the last id misses
 * nothing.
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

/** All that is stored of one VM, oldest first. */
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
  /** The newest, oldest of them first; very long ones cut. */
  readonly lines: readonly NumberedLine[];
  /** How many there are before them that are kept. */
  readonly older: number;
  /** How many were dropped before those. */
  readonly linesCut: number;
};

/** One character more than is shown, so that it can be told. */
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

export type LogPlace = {
  /** How many lines the machine has sent up to this id, dropped ones included. */
  readonly number: number;
  /** How many are kept after it. */
  readonly behind: number;
};

/** Where an id stands among the lines of a machine. */
export async function findLogPlace(db: Db, hostname: string, id: number): Promise<LogPlace> {
  const { rows } = await sql<LogPlace>`
    select (coalesce((select lines_cut from vm_log_cuts where hostname = ${hostname}), 0)
        + count(*) filter (where id <= ${id}))::int as number,
      count(*) filter (where id > ${id})::int as behind
    from vm_logs where hostname = ${hostname}`.execute(db);
  return rows[0] ?? { number: 0, behind: 0 };
}

/** The id before the newest `keep` lines; null where there are not more. */
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

/** What a line costs beside its text: a flood of empty lines is a flood too. */
const LINE_OVERHEAD_BYTES = 64;

/** What these lines count for against the limit of their VM. */
export function logBytes(lines: readonly string[]): number {
  return lines.reduce((bytes, line) => bytes + Buffer.byteLength(line) + LINE_OVERHEAD_BYTES, 0);
}

/** Drops the oldest lines beyond `maxBytes` (see `logBytes`) and counts them. Returns how many were dropped. */
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

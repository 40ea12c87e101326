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

/** Appends the lines; an event that is known already adds nothing. Returns how many were stored. */
export async function appendLogs(db: Db, batch: LogBatch): Promise<number> {
  const { rows } = await sql<{ stored: number }>`
    with stored as (
      insert into vm_logs (hostname, line, event_id)
      select ${batch.hostname}, line, event_id
      from unnest(${batch.lines}::text[], ${batch.eventIds ?? []}::text[])
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

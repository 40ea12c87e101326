// The output of operations, line by line. The writer locks the row of the operation, so that ids become visible in order,
// and a reader who continues after the last id misses no line.
import { sql } from 'kysely';
import { readOperationLevel, type OperationLevel } from '../vms/operation.ts';
import type { Db } from './connect.ts';

export type NewOperationEvent = {
  readonly at: Date;
  readonly level: OperationLevel;
  readonly hostname: string | null;
  readonly text: string;
};
export type OperationEventRecord = NewOperationEvent & { readonly id: number };

/** Longer lines are cut. NUL is replaced, because Postgres cannot store it. */
const TEXT_MAX_LENGTH = 4_000;

export async function appendOperationEvents(
  db: Db,
  operationId: string,
  events: readonly NewOperationEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const texts = events.map(({ text }) => text.replaceAll('\u0000', '\ufffd').slice(0, TEXT_MAX_LENGTH));
  await sql`
    with locked as (select id from operations where id = ${operationId} for no key update)
    insert into operation_events (operation_id, at, level, hostname, text)
    select locked.id, event.at, event.level, event.hostname, event.text
    from locked, unnest(
      ${events.map(({ at }) => at)}::timestamptz[],
      ${events.map(({ level }) => level)}::text[],
      ${events.map(({ hostname }) => hostname)}::text[],
      ${texts}::text[]
    ) with ordinality as event (at, level, hostname, text, place)
    order by event.place`.execute(db);
}

/** Events after this id, in order, at most `limit`. */
export async function readOperationEvents(
  db: Db,
  operationId: string,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<OperationEventRecord[]> {
  const rows = await db
    .selectFrom('operation_events')
    .select(['id', 'at', 'level', 'hostname', 'text'])
    .where('operation_id', '=', operationId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, level: readOperationLevel(row.level) }));
}

/** The newest events, oldest first, and the number of older ones. */
export async function readLastOperationEvents(
  db: Db,
  operationId: string,
  limit: number,
): Promise<{ readonly events: OperationEventRecord[]; readonly older: number }> {
  const rows = await db
    .selectFrom('operation_events')
    .select(['id', 'at', 'level', 'hostname', 'text'])
    .select(sql<number>`count(*) over ()`.as('all'))
    .where('operation_id', '=', operationId)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  const events = rows.reverse().map(({ id, at, level, hostname, text }) => ({
    id,
    at,
    level: readOperationLevel(level),
    hostname,
    text,
  }));
  return { events, older: (rows[0]?.all ?? 0) - rows.length };
}

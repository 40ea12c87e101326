// Returns all rows of a database as text, to compare them before and after.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';

/** A timer writes these rows, independently of requests. */
const SAMPLED = 'vm_state_samples';
/** A refused login is recorded beside its answer, so that it slows nobody down: before or after the rows are read. */
const BESIDE = `"what": "refuse-login"`;

/** Table → its rows as sorted JSON. Leaves out what changes by itself: the tables of the queue and of samples, refused logins. */
export async function dumpRows(db: Db): Promise<Record<string, readonly string[]>> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`.execute(db);
  const names = tables.map(({ name }) => name).filter((name) => name !== SAMPLED);
  // All at once: a query for each table takes longer than the request between two dumps.
  const each = names.map(
    (name) => sql`select ${sql.lit(name)} as name, to_jsonb(t)::text as row from ${sql.table(name)} t`,
  );
  const { rows } = await sql<{ name: string; row: string }>`
    ${sql.join(each, sql` union all `)} order by 1, 2`.execute(db);
  const dump: Record<string, string[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (const { name, row } of rows)
    if (name !== 'audit_events' || !row.includes(BESIDE)) dump[name]?.push(row);
  return dump;
}

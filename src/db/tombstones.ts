// Destroyed hostnames, for an hour: a late report of a dying VM recreates nothing, and no new machine takes the name.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

const TOMBSTONE_LIFETIME = '1 hour';

export async function hasTombstone(db: Db, hostname: string): Promise<boolean> {
  const row = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('hostname', '=', hostname)
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .executeTakeFirst();
  return row !== undefined;
}

/** The names of what was destroyed within the hour. */
export async function recentTombstones(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .execute();
  return rows.map(({ hostname }) => hostname);
}

/** Notes that these were destroyed now, with the tokens of their rows, and forgets those whose hour is over. */
export async function recordTombstones(db: Db, hostnames: readonly string[]): Promise<void> {
  await db
    .deleteFrom('tombstones')
    .where('destroyed_at', '<=', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .execute();
  await sql`
    insert into tombstones (hostname, token_hash)
    select given.hostname, v.token_hash
    from unnest(${hostnames}::text[]) as given (hostname) left join vms v on v.hostname = given.hostname
    on conflict (hostname) do update set
      destroyed_at = now(), token_hash = coalesce(excluded.token_hash, tombstones.token_hash)`.execute(db);
}

/** Whose token this was, of those destroyed within the hour; null where it was nobody's. */
export async function hostnameOfTombstone(db: Db, tokenHash: Buffer): Promise<string | null> {
  const row = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('token_hash', '=', tokenHash)
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .executeTakeFirst();
  return row?.hostname ?? null;
}

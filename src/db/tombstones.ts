// Hostnames destroyed within the last hour: a late report does not add the VM again, and no new VM takes the hostname.
import { sql } from 'kysely';
import { registeredProvider } from '../provision/providers.ts';
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

/** The hostnames destroyed within the last hour. */
export async function recentTombstones(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .execute();
  return rows.map(({ hostname }) => hostname);
}

/**
 * Records these hostnames with the tokens of their rows, and deletes expired tombstones. External VMs were not destroyed, only
 * removed from the list: they may be registered again at once.
 */
export async function recordTombstones(db: Db, hostnames: readonly string[]): Promise<void> {
  await db
    .deleteFrom('tombstones')
    .where('destroyed_at', '<=', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .execute();
  await sql`
    insert into tombstones (hostname, token_hash)
    select given.hostname, v.token_hash
    from unnest(${hostnames}::text[]) as given (hostname) left join vms v on v.hostname = given.hostname
    where v.provider is distinct from ${registeredProvider}
    on conflict (hostname) do update set
      destroyed_at = now(), token_hash = coalesce(excluded.token_hash, tombstones.token_hash)`.execute(db);
}

/** The hostname of the destroyed VM that had this token; null if there is none. */
export async function hostnameOfTombstone(db: Db, tokenHash: Buffer): Promise<string | null> {
  const row = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('token_hash', '=', tokenHash)
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .executeTakeFirst();
  return row?.hostname ?? null;
}

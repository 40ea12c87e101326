// Destroyed hostnames, for an hour: a late report of a dying VM recreates nothing, and no new machine takes the name.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

const TOMBSTONE_LIFETIME = '1 hour';

export async function isBuried(db: Db, hostname: string): Promise<boolean> {
  const row = await db
    .selectFrom('tombstones')
    .select('hostname')
    .where('hostname', '=', hostname)
    .where('destroyed_at', '>', sql<Date>`now() - ${TOMBSTONE_LIFETIME}::interval`)
    .executeTakeFirst();
  return row !== undefined;
}

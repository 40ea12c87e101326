// The uid of the deployment: written once, and the same for all allocators that share the database.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

/** Returns the uid of the database; if it has none, stores this one. */
export async function keepUid(db: Db, offered: string): Promise<string> {
  const { rows } = await sql<{ uid: string }>`
    insert into deployment_identity (uid) values (${offered})
    on conflict (only_one) do update set uid = deployment_identity.uid
    returning uid`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('the uid of the deployment was not stored');
  return row.uid;
}

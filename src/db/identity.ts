// The deployment's uid: one row, written once, and the same for all who share the database.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

/** The uid of the database; where it has none yet, this one from now on. */
export async function keepUid(db: Db, offered: string): Promise<string> {
  const { rows } = await sql<{ uid: string }>`
    insert into deployment_identity (uid) values (${offered})
    on conflict (only_one) do update set uid = deployment_identity.uid
    returning uid`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('the uid of the deployment was not kept');
  return row.uid;
}

// What all allocators of a database share: the uid of the deployment, and secrets (each written once); and where its machines are.
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

/** Takes over the uid of an existing state, unless an operation has run under another one. Returns the uid that holds. */
export async function takeUid(db: Db, existing: string): Promise<string> {
  await sql`update deployment_identity set uid = ${existing}, region = null, account = null
    where uid <> ${existing} and not exists (select from operations)`.execute(db);
  return keepUid(db, existing);
}

/** A region of a cloud, and an account of it. */
export type Place = { readonly region: string; readonly account: string };

/** Where the last launch was; null = nowhere yet. `hasVms`: machines of this provider have rows. */
export async function readPlace(
  db: Db,
  provider: string,
): Promise<(Place & { readonly hasVms: boolean }) | null> {
  const { rows } = await sql<{ region: string | null; account: string | null; hasVms: boolean }>`
    select region, account, exists (select from vms v where v.provider = ${provider}) as "hasVms"
    from deployment_identity`.execute(db);
  const { region = null, account = null, hasVms = false } = rows[0] ?? {};
  return region === null || account === null ? null : { region, account, hasVms };
}

export async function recordPlace(db: Db, { region, account }: Place): Promise<void> {
  await db.updateTable('deployment_identity').set({ region, account }).execute();
}

/** The columns of secrets: sealed, or a fingerprint. */
export type SharedSecret = 'secret_fingerprint' | 'ssh_key' | 'forwarder_token';

/** Returns what the database has; if it has nothing, stores this. The uid must have been kept before. */
export async function keepShared(db: Db, name: SharedSecret, offered: string): Promise<string> {
  const { rows } = await sql<{ kept: string }>`
    update deployment_identity set ${sql.ref(name)} = coalesce(${sql.ref(name)}, ${offered})
    returning ${sql.ref(name)} as kept`.execute(db);
  const [row] = rows;
  if (!row) throw new Error(`the ${name} of the deployment was not stored`);
  return row.kept;
}

// Accounts: who may sign in besides the configured admin. Names are compared without regard to case.
import { sql } from 'kysely';
import type { Role } from '../contract/endpoint.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';

/** What a sign-in is checked against. */
export type SignIn = { readonly name: string; readonly role: Role; readonly hash: string };

export type AccountRecord = {
  readonly name: string;
  readonly role: Role;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly changedAt: Date;
  readonly changedBy: string;
  readonly disabledAt: Date | null;
  /** Null = never. */
  readonly lastUsedAt: Date | null;
};

export type AccountChange =
  | { readonly kind: 'role'; readonly role: Role }
  | { readonly kind: 'password'; readonly hash: string }
  | { readonly kind: 'disable' }
  | { readonly kind: 'enable' }
  | { readonly kind: 'remove' };

/** More accounts than people who run a workshop. */
const ACCOUNTS_MAX = 200;

/** Serializes additions, so that the bound holds; another constant than those of the other advisory locks. */
const ADDING = 7_120_026;

const isNamed = (name: string) => sql<boolean>`lower(name) = lower(${name})`;
const roleOf = (role: string): Role => (role === 'admin' ? 'admin' : 'instructor');

/** Null where there is no such account, or it is disabled. */
export async function findSignIn(db: Db, name: string): Promise<SignIn | null> {
  const row = await db
    .selectFrom('accounts')
    .select(['name', 'role', 'password_hash as hash'])
    .where(isNamed(name))
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  return row ? { ...row, role: roleOf(row.role) } : null;
}

/** By name. */
export async function listAccounts(db: Db): Promise<AccountRecord[]> {
  const rows = await db
    .selectFrom('accounts')
    .select(['name', 'role', 'created_at as createdAt', 'created_by as createdBy'])
    .select(['changed_at as changedAt', 'changed_by as changedBy'])
    .select(['disabled_at as disabledAt', 'last_used_at as lastUsedAt'])
    .orderBy(sql`lower(name)`)
    .execute();
  return rows.map((row) => ({ ...row, role: roleOf(row.role) }));
}

/** Adds an account, unless the name is taken or there are `ACCOUNTS_MAX`. Audited. */
export async function addAccount(
  db: Db,
  { name, role, hash, by }: SignIn & { readonly by: string },
): Promise<'added' | 'taken' | 'full'> {
  return db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${ADDING})`.execute(trx);
    const { count } = await trx
      .selectFrom('accounts')
      .select(sql<number>`count(*)::int`.as('count'))
      .executeTakeFirstOrThrow();
    if (count >= ACCOUNTS_MAX) return 'full';
    const added = await trx
      .insertInto('accounts')
      .values({ name, role, password_hash: hash, created_by: by, changed_by: by })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst();
    if (!added) return 'taken';
    await recordAuditEvent(trx, { who: by, what: 'account-add', detail: `${name}: ${role}` });
    return 'added';
  });
}

/** Changes or removes an account; false where there is none. Audited, unless it is so already. */
export async function changeAccount(
  db: Db,
  { name, by }: { readonly name: string; readonly by: string },
  change: AccountChange,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const found = await trx
      .selectFrom('accounts')
      .select(['name', 'role', 'disabled_at'])
      .where(isNamed(name))
      .forUpdate()
      .executeTakeFirst();
    if (!found) return false;
    const isSo =
      (change.kind === 'role' && change.role === found.role) ||
      (change.kind === 'disable' && found.disabled_at !== null) ||
      (change.kind === 'enable' && found.disabled_at === null);
    if (isSo) return true;
    if (change.kind === 'remove') await trx.deleteFrom('accounts').where('name', '=', found.name).execute();
    else
      await trx
        .updateTable('accounts')
        .set({ ...columnsOf(change), changed_at: sql<Date>`now()`, changed_by: by })
        .where('name', '=', found.name)
        .execute();
    const detail = change.kind === 'role' ? `${found.name}: ${change.role}` : found.name;
    await recordAuditEvent(trx, { who: by, what: `account-${change.kind}`, detail });
    return true;
  });
}

function columnsOf(change: Exclude<AccountChange, { readonly kind: 'remove' }>) {
  switch (change.kind) {
    case 'role':
      return { role: change.role };
    case 'password':
      return { password_hash: change.hash };
    case 'disable':
      return { disabled_at: sql<Date>`now()` };
    case 'enable':
      return { disabled_at: null };
  }
}

/** The password of the account was right just now. */
export async function noteSignIn(db: Db, name: string): Promise<void> {
  await db
    .updateTable('accounts')
    .set({ last_used_at: sql<Date>`now()` })
    .where('name', '=', name)
    .execute();
}

// Registration of external VMs, and VM tokens. Only the hashes of tokens are stored.
import { sql } from 'kysely';
import { registeredProvider } from '../provision/providers.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { hostnameOfTombstone, hasTombstone } from './tombstones.ts';
import { addVms } from './transition.ts';
import type { VmAction } from './vm-actions.ts';

export type Registration = {
  readonly hostname: string;
  readonly address: string | null;
  readonly sshUser: string | null;
  readonly sshPort: number | null;
  /** SHA-256 of the token. */
  readonly tokenHash: Buffer;
};

/**
 * Adds an external VM as `initializing`. `taken`: the hostname exists, or was destroyed within the last hour.
 */
export async function registerVm(db: Db, registration: Registration): Promise<'registered' | 'taken'> {
  const { hostname, address, sshUser, sshPort, tokenHash } = registration;
  if ((await hasTombstone(db, hostname)) || (await hasSameName(db, hostname))) return 'taken';
  const vm = { hostname, address, ssh_user: sshUser, ssh_port: sshPort, token_hash: tokenHash };
  const [added] = await addVms(db, 'register', [{ ...vm, provider: registeredProvider }]);
  return added === undefined ? 'taken' : 'registered';
}

/** DNS knows neither case nor a dot at the end: `Lab-7.` would be a second row of the machine `lab-7`. */
async function hasSameName(db: Db, hostname: string): Promise<boolean> {
  const { rows } = await sql`
    select from vms where lower(rtrim(hostname, '.')) = lower(rtrim(${hostname}, '.')) limit 1`.execute(db);
  return rows.length > 0;
}

/** Replaces the token of a VM; the old one is not accepted any more. False if there is no such VM. */
export async function replaceToken(db: Db, { hostname, by }: VmAction, tokenHash: Buffer): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const row = await trx
      .updateTable('vms')
      .set({ token_hash: tokenHash })
      .where('hostname', '=', hostname)
      .returning('hostname')
      .executeTakeFirst();
    if (row) await recordAuditEvent(trx, { who: by, what: 'token', detail: '', hostname });
    return row !== undefined;
  });
}

/** The hostname of a token, also of a VM destroyed within the last hour; null for an unknown token. */
export async function hostnameOfToken(db: Db, tokenHash: Buffer): Promise<string | null> {
  const row = await db
    .selectFrom('vms')
    .select('hostname')
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst();
  return row?.hostname ?? (await hostnameOfTombstone(db, tokenHash));
}

/** Whether the VM has a token. */
export async function hasToken(db: Db, hostname: string): Promise<boolean> {
  const row = await db
    .selectFrom('vms')
    .select('hostname')
    .where('hostname', '=', hostname)
    .where('token_hash', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}

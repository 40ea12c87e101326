// Registration of external VMs, and VM tokens. Only the hashes of tokens are stored.
import { sql } from 'kysely';
import { registeredProvider } from '../provision/providers.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { grouped, ofReports } from './grouped.ts';
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
  return (await findInGroup(db, tokenHash)) ?? (await hostnameOfTombstone(db, tokenHash));
}

/** Every request of a VM asks for it. */
const findInGroup = grouped<Buffer, string | null>({
  name: 'tokens',
  ...ofReports,
  together: findHostnames,
  alone: async (db, tokenHash) => (await findHostnames(db, [tokenHash]))[0] ?? null,
});

async function findHostnames(db: Db, hashes: readonly Buffer[]): Promise<(string | null)[]> {
  const rows = await db
    .selectFrom('vms')
    .select(['hostname', sql<string>`encode(token_hash, 'hex')`.as('hash')])
    .where('token_hash', '=', sql<Buffer>`any(${hashes}::bytea[])`)
    .execute();
  const found = new Map(rows.map(({ hash, hostname }) => [hash, hostname]));
  return hashes.map((hash) => found.get(hash.toString('hex')) ?? null);
}

/** Whether the VM has a token. */
export async function hasToken(db: Db, hostname: string): Promise<boolean> {
  return hasTokenInGroup(db, hostname);
}

/** Every request in the name of a VM, without a token, asks for it. */
const hasTokenInGroup = grouped<string, boolean>({
  name: 'VMs without a token',
  ...ofReports,
  together: haveTokens,
  alone: async (db, hostname) => (await haveTokens(db, [hostname]))[0] ?? false,
});

async function haveTokens(db: Db, hostnames: readonly string[]): Promise<boolean[]> {
  const rows = await db
    .selectFrom('vms')
    .select('hostname')
    .where('hostname', '=', sql<string>`any(${hostnames}::text[])`)
    .where('token_hash', 'is not', null)
    .execute();
  const found = new Set(rows.map(({ hostname }) => hostname));
  return hostnames.map((hostname) => found.has(hostname));
}

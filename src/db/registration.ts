// Machines that come by themselves and are registered, and the tokens by which VMs are known. Only hashes are kept.
import type { Db } from './connect.ts';
import { hostnameOfTombstone, hasTombstone } from './tombstones.ts';

export type Registration = {
  readonly hostname: string;
  readonly address: string | null;
  readonly sshUser: string | null;
  readonly sshPort: number | null;
  /** SHA-256 of the token. */
  readonly tokenHash: Buffer;
};

/**
 * Makes the row of an external machine, `initializing`. `taken`: the hostname exists, or was destroyed within the hour.
 */
export async function registerVm(db: Db, registration: Registration): Promise<'registered' | 'taken'> {
  const { hostname, address, sshUser, sshPort, tokenHash } = registration;
  if (await hasTombstone(db, hostname)) return 'taken';
  const row = await db
    .insertInto('vms')
    .values({
      hostname,
      provider: 'external',
      status: 'initializing',
      address,
      ssh_user: sshUser,
      ssh_port: sshPort,
      token_hash: tokenHash,
    })
    .onConflict((conflict) => conflict.column('hostname').doNothing())
    .returning('hostname')
    .executeTakeFirst();
  return row ? 'registered' : 'taken';
}

/** The hostname that a token belongs to, or belonged to until it was destroyed within the hour; null where it is nobody's. */
export async function hostnameOfToken(db: Db, tokenHash: Buffer): Promise<string | null> {
  const row = await db
    .selectFrom('vms')
    .select('hostname')
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst();
  return row?.hostname ?? (await hostnameOfTombstone(db, tokenHash));
}

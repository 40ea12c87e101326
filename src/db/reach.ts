// How SSH reaches one machine, as its row has it.
import type { Db } from './connect.ts';

export type KnownReach = {
  readonly address?: string;
  readonly sshUser?: string;
  readonly sshPort?: number;
  readonly sshHostKey?: string;
};

/** Null where there is no such row. */
export async function readReach(db: Db, hostname: string): Promise<KnownReach | null> {
  const row = await db
    .selectFrom('vms')
    .select(['address', 'ssh_user', 'ssh_port', 'ssh_host_key'])
    .where('hostname', '=', hostname)
    .executeTakeFirst();
  if (!row) return null;
  return {
    ...(row.address !== null && { address: row.address }),
    ...(row.ssh_user !== null && { sshUser: row.ssh_user }),
    ...(row.ssh_port !== null && { sshPort: row.ssh_port }),
    ...(row.ssh_host_key !== null && { sshHostKey: row.ssh_host_key }),
  };
}

// Adds a row for an existing VM without one. Its token is unknown, so it is never assigned.
import { sql } from 'kysely';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { recordCreated } from './vm-hours.ts';
import type { SshAddress } from './vm-rows.ts';

export type Adopted = SshAddress & {
  readonly hostname: string;
  readonly provider: Provider;
  readonly operationId: string | null;
  readonly id?: string | undefined;
  readonly instanceType?: string | undefined;
  readonly createdAt?: Date | undefined;
};

/** Runs in the caller's transaction. False if the hostname is taken. */
export async function adoptVm(trx: Db, machine: Adopted): Promise<boolean> {
  const { hostname, provider, operationId, id = null } = machine;
  const { address = null, sshUser = null, sshPort = null, sshHostKey = null } = machine;
  const { rows } = await sql`
    insert into vms (hostname, provider, status, operation_id, provider_id, address, ssh_user, ssh_port, ssh_host_key)
    values (${hostname}, ${provider}, 'unreachable', (select o.id from operations o where o.id::text = ${operationId}),
      ${id}, ${address}, ${sshUser}, ${sshPort}::integer, ${sshHostKey})
    on conflict (hostname) do nothing
    returning hostname`.execute(trx);
  if (rows.length === 0) return false;
  await trx.deleteFrom('tombstones').where('hostname', '=', hostname).execute();
  await recordCreated(trx, {
    hostname,
    operationId,
    provider,
    instanceType: machine.instanceType ?? null,
    createdAt: machine.createdAt,
  });
  return true;
}

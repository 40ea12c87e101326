// Adds a row for an existing VM without one. Its token is unknown, so it is never assigned.
import { sql } from 'kysely';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { addVms } from './transition.ts';
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
  const { hostname, provider, operationId } = machine;
  const [added] = await addVms(trx, 'adopt', [
    {
      hostname,
      provider,
      operation_id: sql<string>`(select o.id from operations o where o.id::text = ${operationId})`,
      provider_id: machine.id ?? null,
      address: machine.address ?? null,
      ssh_user: machine.sshUser ?? null,
      ssh_port: machine.sshPort ?? null,
      ssh_host_key: machine.sshHostKey ?? null,
    },
  ]);
  if (added === undefined) return false;
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

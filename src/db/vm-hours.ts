// The hours of every VM that was created, for the cost estimate. They are kept after the VM is destroyed.
import { sql } from 'kysely';
import type { VmHours } from '../vms/cost.ts';
import type { Provider } from '../vms/status.ts';
import { definitionOf, readProvider } from '../provision/providers.ts';
import type { Db } from './connect.ts';

export type CreatedVm = {
  readonly hostname: string;
  readonly operationId: string | null;
  readonly provider: Provider;
  readonly instanceType: string | null;
  /** The provider's time of creation; otherwise now. */
  readonly createdAt?: Date | undefined;
};

/** Records that the VM exists. An earlier record stays; only a missing instance type is added. */
export async function recordCreated(db: Db, machine: CreatedVm): Promise<void> {
  const { hostname, operationId, provider, instanceType, createdAt } = machine;
  await sql`insert into vm_hours (hostname, operation_id, provider, instance_type, created_at)
    values (${hostname}, (select o.id from operations o where o.id::text = ${operationId}), ${provider}, ${instanceType},
      least(coalesce(${createdAt ?? null}::timestamptz, now()), now()))
    on conflict (hostname) where destroyed_at is null do update
      set instance_type = coalesce(vm_hours.instance_type, excluded.instance_type)`.execute(db);
}

/** Records that these VMs no longer exist. */
export async function recordDestroyed(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  await db
    .updateTable('vm_hours')
    .set({ destroyed_at: sql<Date>`now()` })
    .where('hostname', 'in', hostnames)
    .where('destroyed_at', 'is', null)
    .execute();
}

export type LedgerEntry = VmHours & { readonly hostname: string; readonly operationId: string | null };

/** The estimate covers at most this many VMs, the newest. */
const ENTRIES_MAX = 100_000;

/** Newest first. */
export async function listVmHours(db: Db): Promise<LedgerEntry[]> {
  const rows = await db
    .selectFrom('vm_hours')
    .select(['hostname', 'operation_id', 'provider', 'instance_type', 'created_at', 'destroyed_at'])
    .orderBy('created_at', 'desc')
    .limit(ENTRIES_MAX)
    .execute();
  return rows.map((row) => ({
    hostname: row.hostname,
    operationId: row.operation_id,
    bills: definitionOf(readProvider(row.provider)).bills,
    instanceType: row.instance_type,
    createdAt: row.created_at,
    destroyedAt: row.destroyed_at,
  }));
}

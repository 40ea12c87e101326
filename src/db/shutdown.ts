// When VMs shut down: the time that is set on each, a new time that was requested, and what the audit has recorded.
import { sql } from 'kysely';
import { readProvider, registeredProvider } from '../provision/providers.ts';
import { byHostname } from '../vms/hostnames.ts';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';

export type ShutdownRow = {
  readonly hostname: string;
  readonly provider: Provider;
  readonly operationId: string | null;
  /** Set on the VM itself; null = never. */
  readonly shutdownAt: Date | null;
  /** Not set on the VM yet. */
  readonly requestedShutdownAt: Date | null;
  /** Why it could not be set. */
  readonly error: string | null;
};

/** All VMs that were launched or adopted. */
export async function listShutdowns(db: Db): Promise<ShutdownRow[]> {
  const rows = await db
    .selectFrom('vms')
    .select([
      'hostname',
      'provider',
      'operation_id',
      'shutdown_at',
      'requested_shutdown_at',
      'shutdown_error',
    ])
    .where('provider', '<>', registeredProvider)
    .execute();
  return rows.sort(byHostname).map((row) => ({
    hostname: row.hostname,
    provider: readProvider(row.provider),
    operationId: row.operation_id,
    shutdownAt: row.shutdown_at,
    requestedShutdownAt: row.requested_shutdown_at,
    error: row.shutdown_error,
  }));
}

/**
 * Requests a shutdown time for every VM of the provider. Without `onVm` the time is not set on the VMs themselves and is
 * valid at once. Returns how many VMs.
 */
export async function requestShutdown(
  db: Db,
  {
    provider,
    shutdownAt,
    onVm,
  }: { readonly provider: Provider; readonly shutdownAt: Date; readonly onVm: boolean },
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('vms')
    .set(
      onVm
        ? { requested_shutdown_at: shutdownAt, shutdown_error: null }
        : {
            shutdown_at: shutdownAt,
            requested_shutdown_at: null,
            shutdown_error: null,
            shutdown_recorded_at: null,
          },
    )
    .where('provider', '=', provider)
    .where('status', '<>', 'destroying')
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** The time is set on the VM. A different time that was requested meanwhile stays requested. */
export async function recordShutdownSet(db: Db, hostname: string, shutdownAt: Date): Promise<void> {
  await db
    .updateTable('vms')
    .set({
      shutdown_at: shutdownAt,
      requested_shutdown_at: sql<Date | null>`nullif(requested_shutdown_at, ${shutdownAt}::timestamptz)`,
      shutdown_error: null,
      shutdown_recorded_at: null,
    })
    .where('hostname', '=', hostname)
    .execute();
}

export async function recordShutdownError(db: Db, hostname: string, error: string): Promise<void> {
  await db
    .updateTable('vms')
    .set({ shutdown_error: error })
    .where('hostname', '=', hostname)
    .where('requested_shutdown_at', 'is not', null)
    .where('shutdown_error', 'is distinct from', error)
    .execute();
}

/** VMs whose shutdown time has come since the last call; each is returned once. */
export async function takeDueShutdowns(
  db: Db,
  now: Date,
): Promise<{ hostname: string; operationId: string | null }[]> {
  const rows = await db
    .updateTable('vms')
    .set({ shutdown_recorded_at: now })
    .where('shutdown_at', '<=', now)
    .where('shutdown_recorded_at', 'is', null)
    .where('provider', '<>', registeredProvider)
    .returning(['hostname', 'operation_id'])
    .execute();
  return rows.map(({ hostname, operation_id }) => ({ hostname, operationId: operation_id }));
}

// The fleet for the API: shutdown times and costs of all launched VMs, and of each launch.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { listShutdowns, type ShutdownRow } from '../db/shutdown.ts';
import { listVmHours, type LedgerEntry } from '../db/vm-hours.ts';
import { listOperations, type OperationRecord } from '../db/operations.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { costSoFar, type Cost } from '../vms/cost.ts';
import { isOverdue } from '../vms/shutdown.ts';
import { PRICED_REGION, PRICES_AS_OF } from '../vms/prices.ts';

type Fleet = components['schemas']['Fleet'];

const NOTE = `An estimate: list prices of ${PRICED_REGION}, on demand, Linux. Disks, addresses, traffic and taxes are not included.`;
/** Older launches count in the total, but are not listed. */
const LAUNCHES_SHOWN = 100;
const OPERATIONS_READ = 1_000;

export async function fleetView(
  { db, operations }: { readonly db: Db; readonly operations: OperationService },
  now: Date,
): Promise<Fleet> {
  const [rows, ledger, { operations: records }] = await Promise.all([
    listShutdowns(db),
    listVmHours(db),
    listOperations(db, { limit: OPERATIONS_READ }),
  ]);
  const types = new Map(
    ledger
      .filter(({ destroyedAt }) => destroyedAt === null)
      .map((entry) => [entry.hostname, entry.instanceType]),
  );
  return {
    provider: operations.provider.name,
    costs_money: operations.provider.bills,
    total: rows.length,
    shutdown_at: firstShutdown(rows),
    grace_minutes: operations.graceMinutes,
    cost: costView(costSoFar(ledger, now, operations.region)),
    prices_as_of: PRICES_AS_OF,
    note: NOTE,
    launches: launchesOf(ledger, rows, records, (entries) => costSoFar(entries, now, operations.region)),
    vms: rows.map((row) => ({
      hostname: row.hostname,
      instance_type: types.get(row.hostname) ?? null,
      shutdown_at: row.shutdownAt?.toISOString() ?? null,
      requested_shutdown_at: row.requestedShutdownAt?.toISOString() ?? null,
      error: row.error,
      overdue: isOverdue(row.shutdownAt, now, operations.graceMinutes),
    })),
  };
}

function launchesOf(
  ledger: readonly LedgerEntry[],
  rows: readonly ShutdownRow[],
  records: readonly OperationRecord[],
  costOf: (entries: readonly LedgerEntry[]) => Cost,
): Fleet['launches'] {
  const byLaunch = Map.groupBy(ledger, ({ operationId }) => operationId);
  const launches = [...byLaunch].map(([id, entries]) => {
    const operation = records.find((record) => record.id === id);
    const launchedAt =
      operation?.requestedAt ?? new Date(Math.min(...entries.map(({ createdAt }) => createdAt.getTime())));
    return {
      id,
      launched_at: launchedAt.toISOString(),
      requested_by: operation?.requestedBy ?? null,
      total: entries.length,
      existing: entries.filter(({ destroyedAt }) => destroyedAt === null).length,
      shutdown_at: firstShutdown(rows.filter(({ operationId }) => operationId === id)),
      cost: costView(costOf(entries)),
    };
  });
  return launches
    .sort((one, other) => other.launched_at.localeCompare(one.launched_at))
    .slice(0, LAUNCHES_SHOWN);
}

function firstShutdown(rows: readonly ShutdownRow[]): string | null {
  const times = rows.flatMap(({ shutdownAt }) => (shutdownAt === null ? [] : [shutdownAt.getTime()]));
  return times.length === 0 ? null : new Date(Math.min(...times)).toISOString();
}

function costView({ usd, unpricedVms }: Cost): components['schemas']['Cost'] {
  return { usd, unpriced_vms: unpricedVms };
}

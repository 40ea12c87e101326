// Compares rows with the VMs that the provider lists, after a run or an interruption. Rows without a VM are removed, VMs that
// a failed launch left are destroyed; an assigned VM is never destroyed.
import type { Db } from '../db/connect.ts';
import {
  listVmRows,
  recordProviderId,
  recordSshAddress,
  removeDestroyed,
  removeNeverCreated,
  restoreDestroying,
  setUnreachable,
  type VmRow,
} from '../db/vm-rows.ts';
import { recordCreated } from '../db/vm-hours.ts';
import type { ListedVm, Provider, ProvisionEvent } from './provider.ts';
import { fateOf, isOwn } from './providers.ts';
import { createGoneReport } from './report.ts';
import { describeFailure } from '../result.ts';

export type ReconcileContext = {
  readonly db: Db;
  readonly provider: Provider;
  readonly emit: (event: ProvisionEvent) => void;
  /** Aborted = stop destroying VMs without a row. */
  readonly signal: AbortSignal;
};

export type ReconcileScope = {
  /** Whether a row may be changed; rows of another provider never are. */
  readonly row: (row: VmRow) => boolean;
  /** Whether a VM without a row, created by this launch, is destroyed. */
  readonly orphan: (operationId: string) => boolean;
};

export type Reconciled = {
  /** Hostnames of rows whose VM exists. */
  readonly kept: readonly string[];
  /** Hostnames of rows whose VM does not exist. */
  readonly missing: readonly string[];
  /** VMs without a row that still exist, whichever launch created them. */
  readonly unmanaged: readonly string[];
};

/** Rejects if the provider cannot list VMs, or the database is away. */
export async function reconcile(context: ReconcileContext, scope: ReconcileScope): Promise<Reconciled> {
  const { db, provider } = context;
  const listed = await provider.list();
  const all = await listVmRows(db);
  // The provider does not list external VMs; for them, only an unfinished destroy is undone.
  const external = all.filter((row) => fateOf(row, provider.name) === 'removed' && scope.row(row));
  const rows = all.filter((row) => isOwn(row, provider.name) && scope.row(row));
  const { vms, orphans } = matchVms(all, listed);
  const kept = rows.filter(({ hostname }) => vms.has(hostname));
  const missing = rows.filter(({ hostname }) => !vms.has(hostname));
  await restoreDestroying(db, hostnamesOf([...external, ...kept]));
  for (const row of kept) await recordExisting(context, row, vms.get(row.hostname));
  await removeMissing(context, missing);
  const unmanaged = await destroyOrphans(context, { orphans, rows: all }, scope);
  return { kept: hostnamesOf(kept), missing: hostnamesOf(missing), unmanaged };
}

export type Matched = {
  /** The VM of each row, by hostname. */
  readonly vms: ReadonlyMap<string, ListedVm>;
  /** VMs without a row. */
  readonly orphans: readonly ListedVm[];
};

type MatchedRow = Pick<VmRow, 'hostname' | 'providerId' | 'address'>;

/** Two VMs can have one hostname: the VM of a row has its provider id, else its address, else is the first listed. */
export function matchVms(rows: readonly MatchedRow[], listed: readonly ListedVm[]): Matched {
  const byHostname = Map.groupBy(listed, ({ hostname }) => hostname);
  const vms = new Map<string, ListedVm>();
  for (const { hostname, providerId, address } of rows) {
    const candidates = byHostname.get(hostname) ?? [];
    const found =
      candidates.find(({ id }) => id !== undefined && id === providerId) ??
      candidates.find(({ ssh }) => address !== null && ssh?.address === address) ??
      candidates[0];
    if (found) vms.set(hostname, found);
  }
  const matched = new Set(vms.values());
  return { vms, orphans: listed.filter((vm) => !matched.has(vm)) };
}

async function recordExisting(
  { db }: ReconcileContext,
  { hostname, operationId, provider }: VmRow,
  vm: ListedVm | undefined,
): Promise<void> {
  if (vm === undefined) return;
  const { ssh = {}, id, instanceType = null, createdAt } = vm;
  await recordSshAddress(db, hostname, ssh);
  await recordProviderId(db, hostname, id);
  await recordCreated(db, { hostname, operationId, provider, instanceType, createdAt });
}

async function removeMissing({ db, emit }: ReconcileContext, missing: readonly VmRow[]): Promise<void> {
  const assigned = missing.filter(({ email, status }) => email !== null && status !== 'destroying');
  const free = missing.filter((row) => !assigned.includes(row));
  const uncreated = free.filter(({ status }) => status === 'initializing');
  const gone = free.filter((row) => !uncreated.includes(row));
  await setUnreachable(db, hostnamesOf(assigned));
  await removeNeverCreated(db, hostnamesOf(uncreated));
  await removeDestroyed(db, hostnamesOf(gone));
  const emitAll = (rows: readonly VmRow[], level: ProvisionEvent['level'], text: string): void => {
    for (const { hostname } of rows) emit({ level, hostname, text });
  };
  emitAll(assigned, 'warning', 'This machine no longer exists; its participant needs another one.');
  emitAll(uncreated, 'warning', 'Was not created; its row was removed.');
  emitAll(gone, 'info', 'No longer exists; its row was removed.');
}

type Found = { readonly orphans: readonly ListedVm[]; readonly rows: readonly VmRow[] };

/** Destroys the orphans in scope. Returns the hostnames of those that stay. */
async function destroyOrphans(
  context: ReconcileContext,
  { orphans, rows }: Found,
  scope: ReconcileScope,
): Promise<string[]> {
  const byHostname = new Map(rows.map((row) => [row.hostname, row]));
  const inScope = orphans.filter(({ hostname, operationId }) => {
    if (operationId === null || !scope.orphan(operationId)) return false;
    // Of two VMs with one hostname, only the provider id tells which one is assigned.
    const namesake = byHostname.get(hostname);
    return namesake === undefined || namesake.email === null || namesake.providerId !== null;
  });
  const canTerminate = context.provider.terminate !== undefined;
  const withId = inScope.filter(({ id }) => id !== undefined && canTerminate);
  const withoutId = inScope.filter((vm) => !withId.includes(vm) && !byHostname.has(vm.hostname));
  const destroyed = new Set([
    ...(await terminateById(context, withId)),
    ...(await destroyByHostname(context, withoutId)),
  ]);
  return hostnamesOf(orphans.filter((vm) => !destroyed.has(vm)));
}

const LEFT_OVER = 'Was left by an unfinished launch; it was destroyed.';

async function terminateById(
  { provider, emit, signal }: ReconcileContext,
  vms: readonly ListedVm[],
): Promise<readonly ListedVm[]> {
  const ids = vms.flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (ids.length === 0 || !provider.terminate) return [];
  const result = await provider.terminate(ids, signal);
  if (!result.ok) {
    emit({ level: 'error', text: describeFailure(result.failure) });
    return [];
  }
  for (const { hostname, id } of vms)
    emit({ level: 'warning', hostname, text: `${LEFT_OVER} (${String(id)})` });
  return vms;
}

async function destroyByHostname(
  { db, provider, emit, signal }: ReconcileContext,
  vms: readonly ListedVm[],
): Promise<readonly ListedVm[]> {
  if (vms.length === 0) return [];
  const destroyed = new Set<string>();
  const report = createGoneReport(async (hostname) => {
    destroyed.add(hostname);
    emit({ level: 'warning', hostname, text: LEFT_OVER });
    await removeDestroyed(db, [hostname]);
  }, emit);
  const result = await provider.destroy(hostnamesOf(vms), report, signal, signal);
  if (!result.ok) emit({ level: 'error', text: describeFailure(result.failure) });
  return vms.filter(({ hostname }) => destroyed.has(hostname));
}

function hostnamesOf(vms: readonly { readonly hostname: string }[]): string[] {
  return vms.map(({ hostname }) => hostname);
}

// Reads the world (rows, operations, the VMs that the provider lists) and applies what reconcile.ts decides. Rows that have
// changed since they were read are left for the next time.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import { findActiveOperation, knownOperations } from '../db/operations.ts';
import { recordCreated } from '../db/vm-hours.ts';
import {
  databaseNow,
  listVmRows,
  lockUnchangedRows,
  recordProviderId,
  recordSshAddress,
  removeDestroyed,
  removeNeverCreated,
  restoreDestroying,
  setUnreachable,
  type VmRow,
} from '../db/vm-rows.ts';
import { describeFailure } from '../result.ts';
import { namesOrCount } from '../vms/operation.ts';
import type { ListedVm, Provider, ProvisionEvent } from './provider.ts';
import { reconcile, type Action, type World } from './reconcile.ts';
import { createGoneReport } from './report.ts';
import { SHUTDOWN_ACTOR } from './shutdowns.ts';

export type ReconcileContext = {
  readonly db: Db;
  readonly provider: Provider;
  readonly now: () => Date;
  readonly emit: (event: ProvisionEvent) => void;
  /** Aborted = stop destroying VMs; what is left is destroyed the next time. */
  readonly signal: AbortSignal;
};

export type Reconciled = {
  /** The hostnames of the VMs that the provider lists. */
  readonly listed: ReadonlySet<string>;
  /** Rows whose VM exists, or may. */
  readonly kept: readonly VmRow[];
  /** Rows that were removed, or whose participant needs another VM. */
  readonly missing: readonly VmRow[];
  /** VMs without a row that an admin decides about. */
  readonly unmanaged: readonly ListedVm[];
  /** VMs with the deployment's name and another uid. */
  readonly foreign: readonly ListedVm[];
  /** VMs without a row that have to be destroyed and still exist. */
  readonly undestroyed: readonly ListedVm[];
};

/** @param currentId the operation that ends with this, or was interrupted. Rejects if provider or database are away. */
export async function reconcileFleet(
  context: ReconcileContext,
  currentId: string | null,
): Promise<Reconciled> {
  const world = await readWorld(context, currentId);
  const actions = reconcile(world);
  const missing = await changeRows(context, actions, currentId);
  const undestroyed = await terminateAll(context, actions);
  const asked = actions.flatMap((one) => (one.kind === 'askAdmin' && 'vm' in one ? [one.vm] : []));
  const gone = new Set(missing.map(({ hostname }) => hostname));
  return {
    listed: new Set(hostnamesOf(world.vms.filter(({ isForeign }) => isForeign !== true))),
    kept: world.rows.filter(({ hostname }) => !gone.has(hostname)),
    missing,
    unmanaged: asked.filter(({ isForeign }) => isForeign !== true),
    foreign: asked.filter(({ isForeign }) => isForeign === true),
    undestroyed,
  };
}

/** Rows are read before VMs are listed: a VM is never missing only because its row is newer than the list. */
export async function readWorld(
  { db, provider }: Pick<ReconcileContext, 'db' | 'provider'>,
  currentId: string | null,
): Promise<World> {
  const operations = await knownOperations(db);
  const rows = await listVmRows(db);
  const now = await databaseNow(db);
  const foreign = (await provider.listForeign?.()) ?? [];
  return {
    provider: provider.name,
    rows,
    vms: [...(await provider.list()), ...foreign.map((vm) => ({ ...vm, isForeign: true }))],
    state: null,
    resources: null,
    operations,
    currentId,
    destroying: null,
    listDelayMs: provider.listDelayMs ?? 0,
    now,
  };
}

type RowAction = Extract<Action, { kind: 'adopt' | 'removeRow' | 'markLost' }>;

/** Returns the rows whose VM does not exist. */
async function changeRows(
  { db, emit, now }: ReconcileContext,
  actions: readonly Action[],
  currentId: string | null,
): Promise<readonly VmRow[]> {
  const planned = actions.filter(
    (one): one is RowAction => one.kind === 'adopt' || one.kind === 'removeRow' || one.kind === 'markLost',
  );
  if (planned.length === 0) return [];
  const done = await db.transaction().execute(async (trx) => {
    const active = await findActiveOperation(trx);
    if (active?.status === 'running' && active.id !== currentId) return [];
    const unchanged = await lockUnchangedRows(
      trx,
      planned.map(({ row }) => row),
    );
    const changes = planned.filter(({ row }) => unchanged.has(row.hostname));
    const rowsOf = (kind: RowAction['kind']) =>
      changes.flatMap((one) => (one.kind === kind ? [one.row] : []));
    await restoreDestroying(trx, hostnamesOf(rowsOf('adopt')));
    for (const one of changes) if (one.kind === 'adopt' && one.vm) await recordVm(trx, one.row, one.vm);
    await setUnreachable(trx, hostnamesOf(rowsOf('markLost')));
    await removeNeverCreated(trx, hostnamesOf(rowsOf('removeRow').filter(isUncreated)));
    await removeDestroyed(trx, hostnamesOf(rowsOf('removeRow').filter((row) => !isUncreated(row))));
    const gone = changes.flatMap((one) => (one.kind === 'adopt' ? [] : [one.row]));
    await recordShutDown(
      trx,
      gone.filter(
        ({ status, shutdownAt }) => status !== 'destroying' && shutdownAt !== null && shutdownAt <= now(),
      ),
    );
    return changes;
  });
  for (const { kind, row } of done)
    if (kind !== 'adopt') emit({ hostname: row.hostname, ...said(kind, row) });
  return done.flatMap(({ kind, row }) => (kind === 'adopt' ? [] : [row]));
}

/** The shutdown time of these VMs had come. */
async function recordShutDown(trx: Db, rows: readonly VmRow[]): Promise<void> {
  if (rows.length === 0) return;
  const detail = `shut down: ${namesOrCount(hostnamesOf(rows))}`;
  await recordAuditEvent(trx, { who: SHUTDOWN_ACTOR, what: 'shutdown', detail, operationId: null });
}

function isUncreated({ status, providerId }: VmRow): boolean {
  return status === 'initializing' && providerId === null;
}

function said(kind: 'removeRow' | 'markLost', row: VmRow): Pick<ProvisionEvent, 'level' | 'text'> {
  if (kind === 'markLost')
    return { level: 'warning', text: 'This machine no longer exists; its participant needs another one.' };
  return isUncreated(row)
    ? { level: 'warning', text: 'Was not created; its row was removed.' }
    : { level: 'info', text: 'No longer exists; its row was removed.' };
}

async function recordVm(db: Db, { hostname, operationId, provider }: VmRow, vm: ListedVm): Promise<void> {
  const { ssh = {}, id, instanceType = null, createdAt } = vm;
  await recordSshAddress(db, hostname, ssh);
  await recordProviderId(db, hostname, id);
  await recordCreated(db, { hostname, operationId, provider, instanceType, createdAt });
}

/** Returns the VMs that still exist. */
async function terminateAll(
  context: ReconcileContext,
  actions: readonly Action[],
): Promise<readonly ListedVm[]> {
  const planned = actions.flatMap((one) => (one.kind === 'terminate' && 'vm' in one ? [one.vm] : []));
  if (planned.length === 0) return [];
  // An admin may have adopted one in the meantime.
  const adopted = new Set((await listVmRows(context.db)).map(({ providerId }) => providerId));
  const vms = planned.filter(({ id }) => id === undefined || !adopted.has(id));
  const destroyed = new Set([
    ...(await terminateById(context, vms)),
    ...(await destroyByHostname(
      context,
      vms.filter(({ id }) => id === undefined),
    )),
  ]);
  return vms.filter((vm) => !destroyed.has(vm));
}

const LEFT_OVER = 'Was left by an unfinished launch; it was destroyed.';

async function terminateById(
  { provider, emit, signal }: ReconcileContext,
  vms: readonly ListedVm[],
): Promise<readonly ListedVm[]> {
  const withId = vms.flatMap((vm) => (vm.id === undefined ? [] : [{ vm, id: vm.id }]));
  if (withId.length === 0 || !provider.terminate) return [];
  const result = await provider.terminate(
    withId.map(({ id }) => id),
    signal,
  );
  if (!result.ok) {
    emit({ level: 'error', text: describeFailure(result.failure) });
    return [];
  }
  for (const { vm, id } of withId)
    emit({ level: 'warning', hostname: vm.hostname, text: `${LEFT_OVER} (${id})` });
  return withId.map(({ vm }) => vm);
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

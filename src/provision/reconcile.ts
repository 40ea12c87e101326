// Decides what to do where rows, engine state and cloud differ: the only place that compares them. Pure; apply-actions.ts
// and aws/repair-state.ts read the world and apply the actions. A VM that somebody has, or that has another uid, is left alone.
import type { KnownOperation } from '../db/operations.ts';
import type { VmRow } from '../db/vm-rows.ts';
import { isActive } from '../vms/operation.ts';
import type { ListedVm } from './provider.ts';
import { isOwn, type ProviderName } from './providers.ts';

/** What the engine has recorded. */
export type RecordedState = {
  readonly machines: readonly { readonly hostname: string; readonly instanceId: string }[];
  readonly others: readonly Pick<Resource, 'type' | 'id'>[];
  /** Hostnames and names of what an interrupted run did not finish. */
  readonly pending: readonly string[];
  /** A command failed without saying what it changed. */
  readonly isDoubtful: boolean;
};

/** Something that all VMs share, such as a security group. */
type Resource = { readonly type: string; readonly id: string; readonly hasLogs: boolean };

export type World<R extends Resource = Resource> = {
  /** Whose VMs are listed. */
  readonly provider: ProviderName;
  readonly rows: readonly VmRow[];
  readonly vms: readonly ListedVm[];
  /** Null = the provider has no engine, or the state was not read. */
  readonly state: RecordedState | null;
  /** Null = they were not listed, or nothing says which of them are in use. */
  readonly resources: readonly R[] | null;
  /** The operations of this database. */
  readonly operations: ReadonlyMap<string, KnownOperation>;
  /** The operation in whose name the actions are applied; null = none. */
  readonly currentId: string | null;
  /** What the current operation destroys; null = nothing. */
  readonly destroying: 'all' | ReadonlySet<string> | null;
  /** How long a new VM may be missing from the list. */
  readonly listDelayMs: number;
  readonly now: Date;
};

type RowAction<Kind extends string> = { readonly kind: Kind; readonly row: VmRow };
type LeaveReason = 'as_recorded' | 'other_provider' | 'operation_running' | 'in_doubt';
type KeepReason = 'in_state' | 'in_use' | 'has_logs';
export type AskReason = 'another_uid' | 'unknown_launch' | 'not_recorded' | 'duplicate';

export type Action<R extends Resource = Resource> =
  /** The row takes what the provider says about the VM (null: an external one), and its status from before a destroy. */
  | (RowAction<'adopt'> & { readonly vm: ListedVm | null })
  /** The VM was never created, or is gone. */
  | RowAction<'removeRow'>
  /** The VM is gone, but its participant must be told. */
  | RowAction<'markLost'>
  | { readonly kind: 'terminate'; readonly vm: ListedVm; readonly row: VmRow | null }
  | { readonly kind: 'terminate'; readonly resource: R }
  /** The state lists VMs that do not exist, or unfinished steps. @param gone hostnames */
  | { readonly kind: 'refresh'; readonly gone: readonly string[] }
  /** Nothing can be said yet. */
  | { readonly kind: 'retryLater'; readonly row: VmRow | null }
  | { readonly kind: 'askAdmin'; readonly reason: AskReason; readonly vm: ListedVm }
  | { readonly kind: 'askAdmin'; readonly reason: 'gone'; readonly row: VmRow }
  | { readonly kind: 'leave'; readonly reason: LeaveReason; readonly row: VmRow }
  | { readonly kind: 'leave'; readonly reason: LeaveReason; readonly vm: ListedVm }
  | { readonly kind: 'leave'; readonly reason: KeepReason; readonly resource: R };

/** One action for each row, each VM without a row and each shared resource, and at most one for the state. */
export function reconcile<R extends Resource>(world: World<R>): Action<R>[] {
  const ours = world.vms.filter(({ isForeign }) => isForeign !== true);
  const { vms, orphans } = matchVms(world.rows, ours);
  const busy = operationElsewhere(world);
  const actions: Action<R>[] = [
    ...world.rows.map((row) => ofRow(world, busy, row, vms.get(row.hostname))),
    ...orphans.map((vm) => ofOrphan(world, busy, vm)),
    ...world.vms
      .filter(({ isForeign }) => isForeign === true)
      .map((vm) => ({ kind: 'askAdmin', reason: 'another_uid', vm }) as const),
  ];
  if (busy !== null) return [...actions, { kind: 'retryLater', row: null }];
  return [...actions, ...ofState(world), ...ofResources(world)];
}

/** Whether the action changes something. */
export function isChange({ kind }: Action): boolean {
  return kind !== 'leave' && kind !== 'askAdmin' && kind !== 'retryLater';
}

type Matched = {
  /** The VM of each row, by hostname. */
  readonly vms: ReadonlyMap<string, ListedVm>;
  /** VMs without a row. */
  readonly orphans: readonly ListedVm[];
};

/**
 * Two VMs can have one hostname: the VM of a row has its provider id, else its address, else comes from its launch. Another
 * database that shares the uid may have given the hostname to a VM of its own. A guess about an assigned VM is not made: it
 * would be recorded, and the real one destroyed.
 */
function matchVms(rows: readonly VmRow[], listed: readonly ListedVm[]): Matched {
  const byHostname = Map.groupBy(listed, ({ hostname }) => hostname);
  const vms = new Map<string, ListedVm>();
  for (const row of rows) {
    const { hostname, providerId, address, operationId: launch } = row;
    const candidates = byHostname.get(hostname) ?? [];
    const ofLaunch = candidates.filter(
      ({ operationId }) => operationId === null || launch === null || operationId === launch,
    );
    const found =
      candidates.find(({ id }) => id !== undefined && id === providerId) ??
      candidates.find(({ ssh }) => address !== null && ssh?.address === address) ??
      (isInDoubt(row) && candidates.length > 1 ? undefined : ofLaunch[0]);
    if (found) vms.set(hostname, found);
  }
  const matched = new Set(vms.values());
  return { vms, orphans: listed.filter((vm) => !matched.has(vm)) };
}

/** Only the id tells which of two VMs with one hostname is assigned. */
function isInDoubt({ email, providerId }: VmRow): boolean {
  return email !== null && providerId === null;
}

/** The operation that another process runs; null if there is none. */
function operationElsewhere({ operations, currentId }: World): KnownOperation | null {
  for (const operation of operations.values())
    if (operation.status === 'running' && operation.id !== currentId) return operation;
  return null;
}

function ofRow<R extends Resource>(
  world: World<R>,
  busy: KnownOperation | null,
  row: VmRow,
  vm: ListedVm | undefined,
): Action<R> {
  if (busy !== null) return { kind: 'leave', reason: 'operation_running', row };
  const wasDestroying = row.status === 'destroying';
  if (!isOwn(row, world.provider))
    return wasDestroying
      ? { kind: 'adopt', row, vm: null }
      : { kind: 'leave', reason: 'other_provider', row };
  if (vm === undefined) {
    const isSeen = world.vms.some(({ hostname }) => hostname === row.hostname);
    return isSeen && isInDoubt(row) ? { kind: 'leave', reason: 'in_doubt', row } : ofMissing(world, row);
  }
  if (mustEnd(world, vm, row)) return { kind: 'terminate', vm, row };
  return wasDestroying || hasChanged(row, vm)
    ? { kind: 'adopt', row, vm }
    : { kind: 'leave', reason: 'as_recorded', row };
}

function ofMissing<R extends Resource>(world: World<R>, row: VmRow): Action<R> {
  if (row.status === 'destroying') return { kind: 'removeRow', row };
  if (isTooNew(world, row)) return { kind: 'retryLater', row };
  if (row.email === null) return { kind: 'removeRow', row };
  const isMarked = row.status === 'unreachable' && !row.isCounted;
  return isMarked ? { kind: 'askAdmin', reason: 'gone', row } : { kind: 'markLost', row };
}

/**
 * The process that runs the operation knows its own VMs, even if the cloud does not list them yet. A VM that is older than the
 * restore of the database would be listed.
 */
function isTooNew(
  { now, listDelayMs, currentId, operations }: World,
  { createdAt, operationId }: VmRow,
): boolean {
  if (operationId !== null && operations.get(operationId)?.isRestored === true) return false;
  return operationId !== currentId && now.getTime() - createdAt.getTime() < listDelayMs;
}

function hasChanged(row: VmRow, { id, ssh = {} }: ListedVm): boolean {
  const differs = <T>(listed: T | undefined, recorded: T | null): boolean =>
    listed !== undefined && listed !== recorded;
  return (
    !row.isCounted ||
    differs(id, row.providerId) ||
    differs(ssh.address, row.address) ||
    differs(ssh.sshUser, row.sshUser) ||
    differs(ssh.sshPort, row.sshPort) ||
    differs(ssh.sshHostKey, row.sshHostKey)
  );
}

function ofOrphan<R extends Resource>(world: World<R>, busy: KnownOperation | null, vm: ListedVm): Action<R> {
  const launch = launchOf(world, vm);
  if (busy !== null && launch === busy) return { kind: 'leave', reason: 'operation_running', vm };
  const namesake = world.rows.find(({ hostname }) => hostname === vm.hostname) ?? null;
  // Without an id only the hostname names a VM.
  const isAmbiguous = namesake !== null && (vm.id === undefined || isInDoubt(namesake));
  if (busy === null && !isAmbiguous && mustEnd(world, vm, null)) return { kind: 'terminate', vm, row: null };
  const known = launch === null ? 'unknown_launch' : 'not_recorded';
  return { kind: 'askAdmin', reason: namesake === null ? known : 'duplicate', vm };
}

function launchOf({ operations }: World, { operationId }: ListedVm): KnownOperation | null {
  return operationId === null ? null : (operations.get(operationId) ?? null);
}

/**
 * What is to be destroyed, and what an unfinished launch left. A VM that was ever assigned is only destroyed on request, and so
 * is one of a launch from before a restore: it may have been finished and assigned since the backup.
 */
function mustEnd(world: World, vm: ListedVm, row: VmRow | null): boolean {
  const { destroying, currentId, state } = world;
  const launch = launchOf(world, vm);
  const isWanted = destroying === 'all' || destroying?.has(vm.hostname) === true;
  if (isWanted) return launch !== null || row !== null;
  if (launch?.kind !== 'launch' || launch.isRestored === true) return false;
  if (row === null) return launch.id === currentId || isUnfinished(launch);
  return state !== null && !row.wasAssigned && isLeftByEngine(state, vm, launch);
}

/** The engine died while it created the VM. An empty state may have been lost instead, and its VMs may work. */
function isLeftByEngine(state: RecordedState, { id, hostname }: ListedVm, launch: KnownOperation): boolean {
  if (state.machines.some(({ instanceId }) => instanceId === id)) return false;
  if (isActive(launch.status) || state.pending.includes(hostname)) return true;
  return isUnfinished(launch) && state.others.length > 0;
}

function isUnfinished({ status }: KnownOperation): boolean {
  return !isActive(status) && status !== 'succeeded';
}

function ofState<R extends Resource>({ state, vms }: World<R>): Action<R>[] {
  if (state === null) return [];
  const existing = new Set(vms.map(({ id }) => id));
  const gone = state.machines.filter(({ instanceId }) => !existing.has(instanceId));
  const isCurrent = gone.length === 0 && state.pending.length === 0;
  if (isCurrent && !(state.isDoubtful && state.machines.length > 0)) return [];
  return [{ kind: 'refresh', gone: gone.map(({ hostname }) => hostname) }];
}

/** Resources that an interrupted run left: the next one would fail on them. A VM outside the state may use them. */
function ofResources<R extends Resource>({ state, resources, vms, destroying }: World<R>): Action<R>[] {
  if (resources === null || state === null || state.pending.length > 0) return [];
  const recorded = new Set(state.machines.map(({ instanceId }) => instanceId));
  const mayBeInUse = vms.some(({ isForeign, id }) => isForeign !== true && !recorded.has(id ?? ''));
  return resources.map((resource): Action<R> => {
    const leave = (reason: KeepReason) => ({ kind: 'leave', reason, resource }) as const;
    if (state.others.some(({ type, id }) => type === resource.type && id === resource.id))
      return leave('in_state');
    if (mayBeInUse) return leave('in_use');
    return resource.hasLogs && destroying !== 'all' ? leave('has_logs') : { kind: 'terminate', resource };
  });
}

// Worlds in which rows, engine state and cloud differ in every way, drawn from a seed; and what the actions do to such a world.
import type { KnownOperation } from '../../src/db/operations.ts';
import type { VmRow } from '../../src/db/vm-rows.ts';
import type { ListedVm } from '../../src/provision/provider.ts';
import type { Action, World } from '../../src/provision/reconcile.ts';
import { createDraw, type Draw } from './draw.ts';

export type Resource = { readonly type: string; readonly id: string; readonly hasLogs: boolean };
export type TestWorld = World<Resource>;

export const NOW = new Date('2026-01-31T12:00:00Z');
const LONG_AGO = new Date('2026-01-31T08:00:00Z');
const JUST_NOW = new Date('2026-01-31T11:59:30Z');
export const LIST_DELAY_MS = 120_000;

const STATUSES = ['initializing', 'running', 'error', 'unreachable', 'recycling', 'destroying'] as const;
const ENDED = ['succeeded', 'failed', 'cancelled', 'interrupted'] as const;

/** A row as it is after a launch; tests change what they are about. */
export function rowOf(hostname: string, more: Partial<VmRow> = {}): VmRow {
  return {
    hostname,
    provider: 'aws',
    status: 'running',
    operationId: 'launch-1',
    assignmentId: null,
    email: null,
    wasAssigned: false,
    providerId: `i-${hostname}`,
    address: null,
    sshUser: null,
    sshPort: null,
    sshHostKey: null,
    shutdownAt: null,
    createdAt: LONG_AGO,
    isCounted: true,
    ...more,
  };
}

export function worldOf(more: Partial<TestWorld> = {}): TestWorld {
  return {
    provider: 'aws',
    rows: [],
    vms: [],
    state: null,
    resources: null,
    operations: new Map([['launch-1', { id: 'launch-1', kind: 'launch', status: 'succeeded' }]]),
    currentId: null,
    destroying: null,
    listDelayMs: LIST_DELAY_MS,
    now: NOW,
    ...more,
  };
}

export function drawWorld(seed: number): TestWorld {
  const draw = createDraw(seed);
  const operations = drawOperations(draw);
  const ids = [...operations.keys(), 'unknown-launch', null] as const;
  const hostnames = Array.from({ length: 1 + draw.below(5) }, (_, index) => `vm-${index + 1}`);
  const launchId = (): string | null => ids[draw.below(ids.length)] ?? null;
  const rows = hostnames
    .filter(() => draw.chance(0.7))
    .map((hostname) => drawRow(draw, hostname, launchId()));
  const vms = hostnames.flatMap((hostname) =>
    Array.from({ length: draw.oneOf([0, 1, 1, 1, 2]) }, (_, index) =>
      drawVm(draw, hostname, index, rows.find((row) => row.hostname === hostname)?.operationId ?? launchId()),
    ),
  );
  const hasEngine = draw.chance(0.6);
  return worldOf({
    rows,
    vms,
    operations,
    currentId: draw.chance(0.3)
      ? ([...operations.values()].find(({ status }) => status === 'running')?.id ?? null)
      : null,
    destroying: draw.oneOf([null, null, null, 'all', new Set(hostnames.slice(0, 1))]),
    ...(hasEngine && drawEngine(draw, hostnames, vms)),
  });
}

function drawOperations(draw: Draw): TestWorld['operations'] {
  const operations = Array.from({ length: 1 + draw.below(3) }, (_, index): KnownOperation => {
    return { id: `launch-${index + 1}`, kind: 'launch', status: draw.oneOf(ENDED) };
  });
  if (draw.chance(0.3))
    operations.push({ id: 'running', kind: draw.oneOf(['launch', 'destroy']), status: 'running' });
  return new Map(operations.map((operation) => [operation.id, operation]));
}

function drawRow(draw: Draw, hostname: string, launch: string | null): VmRow {
  const isAssigned = draw.chance(0.4);
  return rowOf(hostname, {
    provider: draw.oneOf(['aws', 'aws', 'aws', 'aws', 'external', 'local']),
    status: draw.oneOf(STATUSES),
    operationId: launch === 'unknown-launch' ? null : launch,
    email: isAssigned ? `${hostname}@example.org` : null,
    wasAssigned: isAssigned || draw.chance(0.1),
    providerId: draw.oneOf([null, `i-${hostname}-0`, `i-${hostname}-0`, `i-${hostname}-lost`]),
    address: draw.oneOf([null, '192.0.2.1', '192.0.2.2']),
    createdAt: draw.chance(0.1) ? JUST_NOW : LONG_AGO,
    isCounted: draw.chance(0.8),
  });
}

function drawVm(draw: Draw, hostname: string, index: number, operationId: string | null): ListedVm {
  return {
    hostname,
    operationId,
    ...(draw.chance(0.9) && { id: `i-${hostname}-${index}` }),
    ...(draw.chance(0.3) && { ssh: { address: draw.oneOf(['192.0.2.1', '192.0.2.2']) } }),
    ...(draw.chance(0.15) && { isForeign: true }),
  };
}

function drawEngine(draw: Draw, hostnames: readonly string[], vms: readonly ListedVm[]): Partial<TestWorld> {
  const resources = ['role', 'group', 'logs']
    .filter(() => draw.chance(0.7))
    .map((type) => ({ type, id: `our-${type}`, hasLogs: type === 'logs' && draw.chance(0.5) }));
  const gone = draw.chance(0.3) ? [{ hostname: 'vm-1', instanceId: 'i-vm-1-gone' }] : [];
  const made = vms.flatMap(({ hostname, id, isForeign }) =>
    id !== undefined && isForeign !== true && draw.chance(0.7) ? [{ hostname, instanceId: id }] : [],
  );
  return {
    state: {
      machines: [...made, ...gone],
      others: resources.filter(() => draw.chance(0.6)),
      pending: hostnames.filter(() => draw.chance(0.1)),
      isDoubtful: draw.chance(0.1),
    },
    resources: draw.chance(0.7) ? resources : null,
  };
}

/** The world after the actions: what apply-actions.ts, the engine and the cloud do. */
export function applyActions(world: TestWorld, actions: readonly Action<Resource>[]): TestWorld {
  return actions.reduce(applyOne, world);
}

function applyOne(world: TestWorld, action: Action<Resource>): TestWorld {
  switch (action.kind) {
    case 'adopt':
      return withRow(world, action.row, adopted(action.row, action.vm));
    case 'removeRow':
      return withRow(world, action.row, null);
    case 'markLost':
      return withRow(world, action.row, { status: 'unreachable', isCounted: false });
    case 'terminate':
      return 'vm' in action
        ? { ...world, vms: world.vms.filter((vm) => vm !== action.vm) }
        : { ...world, resources: world.resources?.filter((one) => one !== action.resource) ?? null };
    case 'refresh':
      return refreshed(world);
    default:
      return world;
  }
}

function withRow(world: TestWorld, row: VmRow, change: Partial<VmRow> | null): TestWorld {
  const rows = world.rows.flatMap((each) => {
    if (each.hostname !== row.hostname) return [each];
    return change === null ? [] : [{ ...each, ...change }];
  });
  return { ...world, rows };
}

function adopted({ status }: VmRow, vm: ListedVm | null): Partial<VmRow> {
  const restored = { status: status === 'destroying' ? 'running' : status } as const;
  if (vm === null) return restored;
  return { ...vm.ssh, ...restored, isCounted: true, ...(vm.id !== undefined && { providerId: vm.id }) };
}

function refreshed(world: TestWorld): TestWorld {
  const { state, vms } = world;
  const existing = new Set(vms.map(({ id }) => id));
  const machines = state?.machines.filter(({ instanceId }) => existing.has(instanceId)) ?? [];
  return { ...world, state: state && { ...state, machines, pending: [], isDoubtful: false } };
}

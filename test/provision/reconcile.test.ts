// The comparison of rows, engine state and cloud, without any of them: properties of thousands of drawn worlds, and the cases
// that a reader wants to see.
import { describe, expect, test } from 'vitest';
import type { VmRow } from '../../src/db/vm-rows.ts';
import type { ListedVm } from '../../src/provision/provider.ts';
import { isChange, reconcile, type Action } from '../../src/provision/reconcile.ts';
import {
  applyActions,
  drawWorld,
  LIST_DELAY_MS,
  NOW,
  rowOf,
  worldOf,
  type Resource,
  type TestWorld,
} from '../support/generated-worlds.ts';

const WORLDS = 4_000;
const ROUNDS_MAX = 3;

/** Checks every drawn world; the message names the seed. */
function forAllWorlds(check: (world: TestWorld) => void): void {
  for (let seed = 1; seed <= WORLDS; seed += 1)
    try {
      check(drawWorld(seed));
    } catch (error) {
      throw new Error(`in the world of seed ${seed}: ${JSON.stringify(drawWorld(seed), null, 1)}`, {
        cause: error,
      });
    }
}

type Settled = {
  readonly world: TestWorld;
  readonly rounds: number;
  readonly applied: readonly Action<Resource>[];
};

/** Applies the actions until nothing is left to do. */
function settle(start: TestWorld): Settled {
  const applied: Action<Resource>[] = [];
  let world = start;
  for (let rounds = 0; ; rounds += 1) {
    const changes = reconcile(world).filter(isChange);
    if (changes.length === 0) return { world, rounds, applied };
    if (rounds === 10) throw new Error(`still ${JSON.stringify(changes)} after ${rounds} rounds`);
    applied.push(...changes);
    world = applyActions(world, changes);
  }
}

const isBusy = ({ operations, currentId }: TestWorld): boolean =>
  [...operations.values()].some(({ id, status }) => status === 'running' && id !== currentId);

const endedVms = (actions: readonly Action<Resource>[]) =>
  actions.flatMap((one) => (one.kind === 'terminate' && 'vm' in one ? [one.vm] : []));

/** Whether the machine may be the one of the row, as far as anybody can know. */
function mayBe({ vms }: TestWorld, { hostname, providerId, address }: VmRow, vm: ListedVm): boolean {
  if (vm.hostname !== hostname) return false;
  if (providerId !== null) return providerId === vm.id;
  const named = vms.find((each) => each.hostname === hostname && each.ssh?.address === address);
  return address === null || named === undefined || named === vm;
}

describe('properties of every drawn world', () => {
  test('applying the actions ends after at most three rounds', () => {
    const rounds = new Map<number, number>();
    forAllWorlds((world) => {
      const settled = settle(world);
      rounds.set(settled.rounds, (rounds.get(settled.rounds) ?? 0) + 1);
      expect(settled.rounds).toBeLessThanOrEqual(ROUNDS_MAX);
    });
    // The worlds are worth checking only if they differ.
    expect([...rounds.keys()].sort()).toEqual([0, 1, 2, 3]);
  });

  test('a machine that somebody has is never terminated, unless it is to be destroyed', () => {
    let ended = 0;
    forAllWorlds((world) => {
      for (const vm of endedVms(settle(world).applied)) {
        ended += 1;
        const isWanted = world.destroying === 'all' || (world.destroying?.has(vm.hostname) ?? false);
        const holder = world.rows.find((row) => row.email !== null && mayBe(world, row, vm));
        if (!isWanted) expect(holder).toBeUndefined();
      }
    });
    expect(ended).toBeGreaterThan(WORLDS / 10);
  });

  test('a machine with another uid, and a launch that this database does not know, are never touched', () => {
    forAllWorlds((world) => {
      const foreign = ({ vms }: TestWorld) => vms.filter(({ isForeign }) => isForeign === true);
      const { world: settled, applied } = settle(world);
      expect(foreign(settled)).toEqual(foreign(world));
      for (const one of applied) if ('vm' in one && one.vm !== null) expect(one.vm.isForeign).not.toBe(true);
      for (const one of applied)
        if (one.kind === 'terminate' && 'vm' in one && one.row === null)
          expect(world.operations.has(one.vm.operationId ?? '')).toBe(true);
    });
  });

  test('no row is left without a machine, and no machine of ours unknown', () => {
    forAllWorlds((world) => {
      if (isBusy(world)) return;
      const { world: settled } = settle({
        ...world,
        rows: world.rows.map((row) => ({ ...row, createdAt: new Date(0) })),
      });
      const asked = reconcile(settled).flatMap((one) => (one.kind === 'askAdmin' ? [one] : []));
      for (const { hostname, provider, email, status } of settled.rows) {
        if (provider !== settled.provider || settled.vms.some((vm) => vm.hostname === hostname)) continue;
        // Only the participant's own row stays, and an admin is told.
        expect({ email: email !== null, status }).toEqual({ email: true, status: 'unreachable' });
        expect(asked.some((one) => 'row' in one && one.row.hostname === hostname)).toBe(true);
      }
      for (const vm of settled.vms) {
        const hasRow = settled.rows.some(({ hostname }) => hostname === vm.hostname);
        if (!hasRow) expect(asked.some((one) => 'vm' in one && one.vm === vm)).toBe(true);
      }
    });
  });

  test('nothing is changed while another process runs an operation', () => {
    let busy = 0;
    forAllWorlds((world) => {
      if (!isBusy(world)) return;
      busy += 1;
      const actions = reconcile(world);
      expect(actions.filter(isChange)).toEqual([]);
      expect(actions.at(-1)).toEqual({ kind: 'retryLater', row: null });
    });
    expect(busy).toBeGreaterThan(WORLDS / 10);
  });

  test('every row, every machine and every listed resource is in exactly one action', () => {
    forAllWorlds((world) => {
      const actions = reconcile(world);
      const rows = actions.flatMap((one) => ('row' in one && one.row !== null ? [one.row] : []));
      expect(rows).toEqual(world.rows);
      const vms = actions.flatMap((one) => ('vm' in one && one.vm !== null ? [one.vm] : []));
      expect(new Set(vms).size).toBe(vms.length);
    });
  });

  test('shared resources are deleted only while no machine outside the state can use them', () => {
    let removed = 0;
    forAllWorlds((world) => {
      const { state, vms } = world;
      for (const one of reconcile(world)) {
        if (one.kind !== 'terminate' || !('resource' in one)) continue;
        removed += 1;
        const recorded = new Set(state?.machines.map(({ instanceId }) => instanceId));
        expect(vms.filter((vm) => vm.isForeign !== true && !recorded.has(vm.id ?? ''))).toEqual([]);
        expect(state?.others.some(({ id }) => id === one.resource.id)).toBe(false);
      }
    });
    expect(removed).toBeGreaterThan(WORLDS / 100);
  });
});

describe('single cases', () => {
  const kinds = (world: TestWorld) => reconcile(world).map(({ kind }) => kind);
  const failed = new Map([['launch-1', { id: 'launch-1', kind: 'launch', status: 'failed' } as const]]);
  const vm = { hostname: 'vm-1', id: 'i-vm-1', operationId: 'launch-1' } as const;
  const state = { machines: [], others: [{ type: 'role', id: 'r' }], pending: [], isDoubtful: false };

  test('a row and its machine are left as they are', () => {
    expect(reconcile(worldOf({ rows: [rowOf('vm-1')], vms: [vm] }))).toMatchObject([
      { kind: 'leave', reason: 'as_recorded' },
    ]);
  });

  test('a new address is recorded, and a machine that a destroy did not end gets its status back', () => {
    const moved = { ...vm, ssh: { address: '192.0.2.9' } };
    expect(kinds(worldOf({ rows: [rowOf('vm-1')], vms: [moved] }))).toEqual(['adopt']);
    expect(kinds(worldOf({ rows: [rowOf('vm-1', { status: 'destroying' })], vms: [vm] }))).toEqual(['adopt']);
  });

  test('the participant of a machine that is gone is told, and then an admin', () => {
    const row = rowOf('vm-1', { email: 'ada@example.org' });
    expect(kinds(worldOf({ rows: [row] }))).toEqual(['markLost']);
    expect(kinds(worldOf({ rows: [{ ...row, status: 'unreachable', isCounted: false }] }))).toEqual([
      'askAdmin',
    ]);
  });

  test('a row that is newer than the delay of the list waits, unless its launch is the current operation', () => {
    const row = rowOf('vm-1', { createdAt: new Date(NOW.getTime() - LIST_DELAY_MS + 1) });
    expect(kinds(worldOf({ rows: [row] }))).toEqual(['retryLater']);
    expect(kinds(worldOf({ rows: [row], currentId: 'launch-1' }))).toEqual(['removeRow']);
  });

  test('a machine that a failed launch left is terminated; one of a good or unknown launch is an admin’s decision', () => {
    expect(kinds(worldOf({ vms: [vm], operations: failed }))).toEqual(['terminate']);
    expect(reconcile(worldOf({ vms: [vm] }))).toMatchObject([{ kind: 'askAdmin', reason: 'not_recorded' }]);
    expect(reconcile(worldOf({ vms: [{ ...vm, operationId: 'other' }] }))).toMatchObject([
      { kind: 'askAdmin', reason: 'unknown_launch' },
    ]);
  });

  test('a row never takes the machine of another database that has its hostname', () => {
    const row = rowOf('vm-1', { providerId: null, status: 'initializing' });
    const actions = reconcile(worldOf({ rows: [row], vms: [{ ...vm, operationId: 'other' }] }));
    expect(actions).toMatchObject([{ kind: 'removeRow' }, { kind: 'askAdmin', reason: 'duplicate' }]);
  });

  test('of two machines with one hostname, none is guessed to be the participant’s', () => {
    const rows = [rowOf('vm-1', { email: 'ada@example.org', wasAssigned: true, providerId: null })];
    const vms = [vm, { ...vm, id: 'i-second' }];
    const asked = { kind: 'askAdmin', reason: 'duplicate' };
    expect(reconcile(worldOf({ rows, vms, operations: failed }))).toMatchObject([
      { kind: 'leave', reason: 'in_doubt' },
      asked,
      asked,
    ]);
    const addressed = [{ ...rows[0]!, address: '192.0.2.7' }];
    const second = { ...vm, id: 'i-second', ssh: { address: '192.0.2.7' } };
    expect(kinds(worldOf({ rows: addressed, vms: [vm, second], operations: failed }))).toEqual([
      'adopt',
      'askAdmin',
    ]);
  });

  test('a machine that the dying engine did not record is terminated, but not if the whole state was lost', () => {
    const rows = [rowOf('vm-1')];
    expect(kinds(worldOf({ rows, vms: [vm], operations: failed, state }))).toEqual(['terminate']);
    const lost = { ...state, others: [] };
    expect(kinds(worldOf({ rows, vms: [vm], operations: failed, state: lost }))).toEqual(['leave']);
    const assigned = [rowOf('vm-1', { wasAssigned: true })];
    expect(kinds(worldOf({ rows: assigned, vms: [vm], operations: failed, state }))).toEqual(['leave']);
  });

  test("after a restore, a machine of a launch that the backup knows unfinished is an admin's decision", () => {
    const interrupted = { id: 'launch-1', kind: 'launch', status: 'interrupted' } as const;
    const operations = new Map([['launch-1', { ...interrupted, isRestored: true } as const]]);
    expect(kinds(worldOf({ vms: [vm], operations }))).toEqual(['askAdmin']);
    expect(kinds(worldOf({ rows: [rowOf('vm-1')], vms: [vm], operations, state }))).toEqual(['leave']);
    expect(kinds(worldOf({ vms: [vm], operations: new Map([['launch-1', interrupted]]) }))).toEqual([
      'terminate',
    ]);
    expect(kinds(worldOf({ vms: [vm], operations, destroying: 'all' }))).toEqual(['terminate']);
  });

  test('after a restore, a machine that is not listed is not waited for', () => {
    const rows = [rowOf('vm-1', { createdAt: NOW })];
    const restored = { id: 'launch-1', kind: 'launch', status: 'succeeded', isRestored: true } as const;
    expect(kinds(worldOf({ rows }))).toEqual(['retryLater']);
    expect(kinds(worldOf({ rows, operations: new Map([['launch-1', restored]]) }))).toEqual(['removeRow']);
  });

  test('a state that lists a machine which does not exist is refreshed', () => {
    const recorded = { ...state, machines: [{ hostname: 'vm-2', instanceId: 'i-2' }] };
    expect(reconcile(worldOf({ state: recorded }))).toEqual([{ kind: 'refresh', gone: ['vm-2'] }]);
  });

  test('a log group with logs is deleted only when everything is destroyed', () => {
    const resources = [{ type: 'logs', id: 'l', hasLogs: true }];
    expect(kinds(worldOf({ state, resources }))).toEqual(['leave']);
    expect(kinds(worldOf({ state, resources, destroying: 'all' }))).toEqual(['terminate']);
  });
});

// A run that does not come to its end: the engine killed, its child killed, cancelled, locked out. Cloud, state and rows
// tell of the same machines afterwards, nothing is orphaned, no process is left, and everything goes on.
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AWS_WAIT, type AwsLab, type Operation } from '../support/aws-lab.ts';
import { cloudIsThere, type TestCloud } from '../support/cloud.ts';
import { engineProcesses, type EngineProcess } from '../support/engine-processes.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-lab.ts';

type Phase = {
  readonly name: string;
  /** The operation's id. */
  readonly begin: () => Promise<string>;
  readonly reached: () => Promise<unknown>;
  readonly asked: number;
};

/** False where it has ended by itself. */
function endNow(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** Asked without a pause: what is waited for may last for a moment. */
const SOON = { ...AWS_WAIT, interval: 5 };

describe.skipIf(!cloudIsThere())('a run that is interrupted', { timeout: 300_000 }, () => {
  const table = createFaultTable('interruptions');
  const shared = createSharedLab();
  let cloud: TestCloud;
  let lab: AwsLab;

  beforeEach(async () => {
    ({ cloud, lab } = await shared.take());
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await shared[Symbol.asyncDispose]();
  });
  afterEach(async () => expect(await cloud.machines()).toEqual([]));

  async function isWhole(fault: string, operation: Operation, asked: number): Promise<void> {
    const there = await lab.agree();
    expect(await engineProcesses(lab.server.dataDir)).toEqual([]);
    cloud.faults.reset();
    const next = await lab.launch(1);
    expect(next, (await lab.output(next.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toHaveLength(there.length + 1);
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
    expect(await cloud.parts.list()).toEqual([]);
    const outcome = [operation.status, operation.problem?.kind].filter(Boolean).join(', ');
    table.add({ fault, outcome, asked, machines: there.length, then: `${there.length + 1}, 0` });
  }

  /** Waits until so many machines exist that the engine has not heard of. */
  const heldMachines = (count: number) =>
    vi.waitFor(async () => expect(await cloud.machines()).toHaveLength(count), AWS_WAIT);

  async function kill(role: EngineProcess['role']): Promise<void> {
    const found = (await engineProcesses(lab.server.dataDir)).filter((entry) => entry.role === role);
    expect(found.filter(({ pid }) => endNow(pid))).not.toEqual([]);
  }

  test('the engine is killed while it makes machines: what no state knows is ended', async () => {
    cloud.faults.hold('lab-vm-test-2');
    const { id } = await lab.beginLaunch(3);
    await heldMachines(3);
    await kill('engine');
    const operation = await lab.ended(id);
    expect(operation, (await lab.output(id)).join('\n')).toMatchObject({ status: 'failed' });
    expect(await lab.machines()).not.toContain('lab-vm-test-2');
    await isWhole('the engine killed while it creates', operation, 3);
  });

  test('the child is killed while the engine makes machines: the engine finishes, and all is known', async () => {
    cloud.faults.hold('lab-vm-test-2');
    const { id } = await lab.beginLaunch(3);
    await heldMachines(3);
    await kill('child');
    cloud.faults.release();
    const operation = await lab.ended(id);
    expect(operation.problem?.kind ?? 'none', (await lab.output(id)).join('\n')).toMatch(/engine|none/);
    await isWhole('the child killed while the engine creates', operation, 3);
  });

  const phases: readonly Phase[] = [
    {
      name: 'as soon as it is there',
      begin: async () => (await lab.beginLaunch(2)).id,
      reached: () => Promise.resolve(),
      asked: 2,
    },
    {
      name: 'while it makes what machines share',
      begin: async () => {
        cloud.faults.hold('aws:iam/role:Role::machine');
        return (await lab.beginLaunch(2)).id;
      },
      reached: async () => expect((await cloud.parts.list()).join()).toMatch(/role \S+-machine/),
      asked: 2,
    },
    {
      name: 'while it ends machines',
      begin: async () => {
        await lab.launch(2);
        cloud.faults.hold('lab-vm-test-2');
        return (await lab.beginDestroy()).id;
      },
      reached: async () => expect(await lab.machines()).not.toContain('lab-vm-test-2'),
      asked: 2,
    },
  ];

  describe.each(['engine', 'child'] as const)('the %s is killed', (role) => {
    test.each(phases)('$name: everything goes on', async ({ name, begin, reached, asked }) => {
      const id = await begin();
      await vi.waitFor(reached, SOON);
      await vi.waitFor(() => kill(role), SOON);
      cloud.faults.release();
      await isWhole(`the ${role} killed, ${name}`, await lab.ended(id), asked);
    });
  });

  test('the plugin dies when a machine is made and not told of: the machine is ended', async () => {
    cloud.faults.dieCreating('lab-vm-test-1');
    const operation = await lab.launch(1);
    expect(operation.status, (await lab.output(operation.id)).join('\n')).toBe('failed');
    await isWhole('the plugin dies while it creates', operation, 1);
  });

  test('cancelled while it makes machines: what is under way is finished and stays', async () => {
    cloud.faults.hold();
    const { id } = await lab.beginLaunch(2);
    await heldMachines(2);
    await lab.cancel(id);
    cloud.faults.release();
    const operation = await lab.ended(id);
    // Both were under way: the engine finishes them, and then there is nothing left to cancel.
    expect(['cancelled', 'succeeded']).toContain(operation.status);
    expect(await lab.agree()).toHaveLength(2);
    await isWhole('cancelled while creating', operation, 2);
  });

  test('a second launch and a destroy while one runs are told what runs', async () => {
    cloud.faults.hold();
    const first = await lab.beginLaunch(1);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/409/);
    await expect(lab.beginDestroy()).rejects.toThrow(/409/);
    await heldMachines(1);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/409/);
    cloud.faults.release();
    const operation = await lab.ended(first.id);
    expect(operation.status).toBe('succeeded');
    await isWhole('two launches at once, destroy during launch', operation, 1);
  });

  test('a lock that a dead run left is removed, which is said', async () => {
    await lab.launch(1);
    await lock(process.pid + 4_000_000);
    const second = await lab.launch(1);
    expect(second, (await lab.output(second.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect((await lab.output(second.id)).join('\n')).toContain(
      'left a lock on the Pulumi state. The lock was removed',
    );
    await isWhole('a lock left behind', second, 1);
  });

  async function lock(pid: number): Promise<void> {
    const folder = await realpath(join(lab.server.dataDir, 'aws/state/.pulumi'));
    const locks = join(folder, 'locks/organization/lablink-lab/test');
    await mkdir(locks, { recursive: true });
    // The engine names the host as the system does; the server of tests is called otherwise.
    const content = { pid, username: 'lablink', hostname: hostname(), timestamp: new Date().toISOString() };
    await writeFile(join(locks, `${crypto.randomUUID()}.json`), JSON.stringify(content));
  }
});

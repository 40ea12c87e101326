// Interrupted runs: the engine or its child process is killed, the run is cancelled, the state is locked. Afterwards AWS,
// state and rows list the same machines, no process is left, and launches and destroys work.
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AWS_WAIT, type AwsLab, type Operation } from '../support/aws-lab.ts';
import type { TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { engineProcesses, type EngineProcess } from '../support/engine-processes.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-aws-lab.ts';

type Phase = {
  readonly role: EngineProcess['role'];
  readonly name: string;
  /** The operation's id. */
  readonly begin: () => Promise<string>;
  readonly reached: () => Promise<unknown>;
  readonly asked: number;
};

/** False if the process has ended by itself. */
function endNow(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** With short pauses: the shortest command of the engine runs for a tenth of a second. */
const SOON = { ...AWS_WAIT, interval: 25 };

describe.skipIf(!motoIsThere())('an interrupted run', { timeout: 300_000 }, () => {
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

  /**
   * Cloud, state and rows agree, no process is left, and a destroy leaves nothing. The launch of the next test, on the same
   * data folder, shows that launches work again; the last test shows it for its predecessor.
   */
  async function expectConsistent(fault: string, operation: Operation, asked: number): Promise<void> {
    const existing = await lab.agree();
    expect(await engineProcesses(lab.server.dataDir)).toEqual([]);
    cloud.faults.reset();
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
    const outcome = [operation.status, operation.problem?.kind].filter(Boolean).join(', ');
    table.add({ fault, outcome, asked, machines: existing.length });
  }

  /** Waits until so many machines exist, including those that AWS has not confirmed. */
  const heldMachines = (count: number) =>
    vi.waitFor(async () => expect(await cloud.machines()).toHaveLength(count), AWS_WAIT);

  async function kill(role: EngineProcess['role']): Promise<void> {
    const found = (await engineProcesses(lab.server.dataDir)).filter((entry) => entry.role === role);
    expect(found.filter(({ pid }) => endNow(pid))).not.toEqual([]);
  }

  test('a machine that a killed engine left outside the state is terminated', async () => {
    cloud.faults.hold('lab-vm-test-2');
    const { id } = await lab.beginLaunch(3);
    await heldMachines(3);
    await kill('engine');
    const operation = await lab.ended(id);
    expect(operation, (await lab.output(id)).join('\n')).toMatchObject({ status: 'failed' });
    expect(operation.problem?.problem).toContain('The Pulumi engine was killed in the middle of its work.');
    expect(await lab.machines()).not.toContain('lab-vm-test-2');
    await expectConsistent('the engine killed while it creates machines', operation, 3);
  });

  test('the engine finishes a launch whose child process was killed', async () => {
    cloud.faults.hold('lab-vm-test-2');
    const { id } = await lab.beginLaunch(3);
    await heldMachines(3);
    await kill('child');
    cloud.faults.release();
    const operation = await lab.ended(id);
    expect(operation.problem?.kind ?? 'none', (await lab.output(id)).join('\n')).toMatch(/engine|none/);
    await expectConsistent('the child killed while the engine creates machines', operation, 3);
  });

  const phases: readonly Phase[] = [
    {
      role: 'engine',
      name: 'as soon as it runs',
      begin: async () => (await lab.beginLaunch(2)).id,
      reached: () => Promise.resolve(),
      asked: 2,
    },
    {
      role: 'engine',
      name: 'while it creates shared resources',
      begin: async () => {
        cloud.faults.hold('aws:iam/role:Role::machine');
        return (await lab.beginLaunch(2)).id;
      },
      reached: async () => expect((await cloud.sharedResources.list()).join()).toMatch(/role \S+-machine/),
      asked: 2,
    },
    ...(['engine', 'child'] as const).map((role) => ({
      role,
      name: 'while it terminates machines',
      begin: async () => {
        await lab.launch(2);
        cloud.faults.hold('lab-vm-test-2');
        return (await lab.beginDestroy()).id;
      },
      reached: async () => expect(await lab.machines()).not.toContain('lab-vm-test-2'),
      asked: 2,
    })),
  ];

  test.each(phases)(
    'state, AWS and rows agree after the $role is killed $name',
    async ({ role, name, begin, reached, asked }) => {
      const id = await begin();
      await vi.waitFor(reached, AWS_WAIT);
      await vi.waitFor(() => kill(role), SOON);
      cloud.faults.release();
      await expectConsistent(`the ${role} killed, ${name}`, await lab.ended(id), asked);
    },
  );

  test('a machine that a dying plugin created but did not report is terminated', async () => {
    cloud.faults.dieCreating('lab-vm-test-1');
    const operation = await lab.launch(1);
    expect(operation.status, (await lab.output(operation.id)).join('\n')).toBe('failed');
    await expectConsistent('the plugin dies while it creates a machine', operation, 1);
  });

  test('a cancelled launch finishes and keeps the machines that it has started', async () => {
    cloud.faults.hold();
    const { id } = await lab.beginLaunch(2);
    await heldMachines(2);
    await lab.cancel(id);
    cloud.faults.release();
    const operation = await lab.ended(id);
    // Both were started: the engine finishes them, and may then have nothing left to cancel.
    expect(['cancelled', 'succeeded']).toContain(operation.status);
    expect(await lab.agree()).toHaveLength(2);
    await expectConsistent('cancelled while it creates machines', operation, 2);
  });

  test('a second launch and a destroy during a launch are answered with 409', async () => {
    cloud.faults.hold();
    const first = await lab.beginLaunch(1);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/409/);
    await expect(lab.beginDestroy()).rejects.toThrow(/409/);
    await heldMachines(1);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/409/);
    cloud.faults.release();
    const operation = await lab.ended(first.id);
    expect(operation.status).toBe('succeeded');
    await expectConsistent('a second launch, and a destroy, during a launch', operation, 1);
  });

  test('the next launch removes the lock of a dead run, and reports it', async () => {
    await lab.launch(1);
    await lock(process.pid + 4_000_000);
    const second = await lab.launch(1);
    expect(second, (await lab.output(second.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect((await lab.output(second.id)).join('\n')).toContain(
      'left a lock on the Pulumi state. The lock was removed',
    );
    await expectConsistent('the lock of a dead run', second, 1);
  });

  test('a launch succeeds after all these interruptions', async () => {
    const operation = await lab.launch(1);
    expect(operation, (await lab.output(operation.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toHaveLength(1);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
  });

  async function lock(pid: number): Promise<void> {
    const folder = await realpath(join(lab.server.dataDir, 'aws/state/.pulumi'));
    const locks = join(folder, 'locks/organization/lablink-lab/test');
    await mkdir(locks, { recursive: true });
    // The engine uses the host name of the system; the test server has another one.
    const content = { pid, username: 'lablink', hostname: hostname(), timestamp: new Date().toISOString() };
    await writeFile(join(locks, `${crypto.randomUUID()}.json`), JSON.stringify(content));
  }
});

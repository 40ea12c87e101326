// The allocator, a process of its own with its embedded database, is killed at phases of a launch and of a destroy on AWS
// and started again: cloud, state and rows tell of the same machines, no process is left, the next launch and destroy work.
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { configText, serverEnv } from '../support/aws-config.ts';
import { AWS_WAIT, readStateNames } from '../support/aws-lab.ts';
import { cloudIsThere, startCloud, type TestCloud } from '../support/cloud.ts';
import { engineProcesses } from '../support/engine-processes.ts';
import { testEngine } from '../support/engine.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { startProgram, type Program } from '../support/program.ts';

const PASSWORD = 'a password for tests';
const MACHINES = 3;

type Lab = { readonly program: Program; readonly admin: LablinkClient };
type Phase = { readonly name: string; readonly reached: (id: string) => Promise<unknown> };

describe.skipIf(!cloudIsThere())('the allocator of a fleet on AWS, killed', { timeout: 400_000 }, () => {
  const table = createFaultTable('allocator-killed');
  let cloud: TestCloud;
  let folder: string;
  let lab: Lab;

  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await cloud[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    cloud.faults.reset();
    folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-aws-killed-')));
    await chmod(folder, 0o711);
    await mkdir(join(folder, 'config'));
    await writeFile(join(folder, 'config/config.yaml'), await configText(cloud));
    lab = await start();
  }, 120_000);
  afterEach(async () => {
    await lab.program[Symbol.asyncDispose]();
    expect(await engineProcesses(dataDir())).toEqual([]);
    await rm(folder, { recursive: true });
  });

  const dataDir = () => join(folder, 'data');

  async function start(): Promise<Lab> {
    const program = startProgram(['serve'], {
      ...cloud.env,
      ...testEngine().env,
      ...serverEnv(),
      DATA_DIR: dataDir(),
      CONFIG_DIR: join(folder, 'config'),
      ADMIN_PASSWORD: PASSWORD,
    });
    const admin = createLablinkClient({ baseUrl: await program.url(), user: 'admin', password: PASSWORD });
    return { program, admin };
  }

  const find = async (id: string) =>
    (await lab.admin.GET('/api/v1/operations/{id}', { params: { path: { id } } })).data;
  const rows = async () => Object.keys((await lab.admin.GET('/api/vm-status')).data ?? {}).sort();
  const machines = async () =>
    (await cloud.machines()).map(({ tags }) => tags['lablink:hostname'] ?? '?').sort();
  const ended = (id: string) =>
    expect.poll(async () => (await find(id))?.ended_at ?? null, AWS_WAIT).not.toBeNull();

  /** A server that has just come back says for a moment that it is still starting. */
  async function begin(path: '/api/launch' | '/destroy', count = 0): Promise<string> {
    let id = '';
    const ask = async (): Promise<number> => {
      const { data, response } =
        path === '/destroy'
          ? await lab.admin.POST('/destroy', {})
          : await lab.admin.POST('/api/launch', { body: { num_vms: count }, ...asForm });
      if (typeof data === 'object' && 'id' in data) ({ id } = data);
      return response.status;
    };
    await expect.poll(ask, AWS_WAIT).toBe(202);
    return id;
  }

  async function agree(): Promise<string[]> {
    const there = await machines();
    expect({ rows: await rows(), state: await readStateNames(dataDir()) }).toEqual({
      rows: there,
      state: there,
    });
    return there;
  }

  async function killAndStartAgain(): Promise<void> {
    lab.program.child.kill('SIGKILL');
    await lab.program.ended;
    cloud.faults.release();
    lab = await start();
  }

  async function isWhole(fault: string, id: string): Promise<void> {
    await ended(id);
    const { status = '?' } = (await find(id)) ?? {};
    const there = (await agree()).length;
    expect(await engineProcesses(dataDir())).toEqual([]);
    await ended(await begin('/api/launch', 1));
    expect(await agree()).toHaveLength(there + 1);
    await ended(await begin('/destroy'));
    expect(await agree()).toEqual([]);
    expect(cloud.ledger()).toEqual([]);
    table.add({ fault, outcome: status, asked: MACHINES, machines: there, then: `${there + 1}, 0` });
  }

  const launchPhases: Phase[] = [
    { name: 'when it was just asked for', reached: () => Promise.resolve() },
    {
      name: 'when the engine has begun',
      reached: () =>
        expect.poll(() => engineProcesses(dataDir()), { ...AWS_WAIT, interval: 20 }).not.toEqual([]),
    },
    {
      name: 'while machines are being made',
      reached: () => expect.poll(machines, AWS_WAIT).toHaveLength(MACHINES),
    },
  ];

  test.each(launchPhases)('in a launch, $name, is whole again after a start', async ({ name, reached }) => {
    cloud.faults.hold('lab-vm-test-2');
    const id = await begin('/api/launch', MACHINES);
    await reached(id);
    await killAndStartAgain();
    await isWhole(`allocator killed: launch, ${name}`, id);
  });

  test('in a destroy, when machines have begun to end, is whole again after a start', async () => {
    await ended(await begin('/api/launch', MACHINES));
    const id = await begin('/destroy');
    await expect
      .poll(async () => (await machines()).length, { ...AWS_WAIT, interval: 20 })
      .toBeLessThan(MACHINES);
    await killAndStartAgain();
    await isWhole('allocator killed: destroy, with machines ending', id);
  });
});

// The allocator, a process of its own, is killed at every phase of a launch and of a destroy on AWS and started again:
// cloud, state and rows tell of the same machines, no process is left, the next launch and destroy work. Its database is a
// server's: how the embedded one survives is told in test/process/killed.test.ts.
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { configText, serverEnv } from '../support/aws-config.ts';
import { AWS_WAIT, readStateNames } from '../support/aws-lab.ts';
import { cloudIsThere, startCloud, type TestCloud } from '../support/cloud.ts';
import { engineProcesses } from '../support/engine-processes.ts';
import { testEngine } from '../support/engine.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProgram, type Program } from '../support/program.ts';

const PASSWORD = 'a password for tests';
const MACHINES = 3;

type Lab = { readonly program: Program; readonly admin: LablinkClient };
type Phase = {
  readonly name: string;
  /** One machine is not answered for until the allocator is back. */
  readonly holds?: boolean;
  readonly reached: (id: string) => Promise<unknown>;
};

describe.skipIf(!cloudIsThere())('the allocator of a fleet on AWS, killed', { timeout: 400_000 }, () => {
  const table = createFaultTable('allocator-killed');
  let open = new AsyncDisposableStack();
  let cloud: TestCloud;
  let database: TestDatabase;
  let folder: string;
  let lab: Lab;
  /** What a failed test has left is thrown away. */
  let isClean = false;

  beforeEach(async () => {
    if (!isClean) await openAnew();
    isClean = false;
    cloud.faults.reset();
    // Names of what was destroyed rest for an hour.
    await database.db.deleteFrom('tombstones').execute();
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await open.disposeAsync();
  });

  async function openAnew(): Promise<void> {
    await open.disposeAsync();
    open = new AsyncDisposableStack();
    cloud = open.use(await startCloud());
    database = open.use(await createTestDatabase());
    folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-aws-killed-')));
    open.defer(() => rm(folder, { recursive: true }));
    // Started as root, the server lets another user run Postgres, who must reach its data.
    await chmod(folder, 0o711);
    await mkdir(join(folder, 'config'));
    await writeFile(join(folder, 'config/config.yaml'), await configText(cloud));
    lab = await start();
    open.defer(() => lab.program[Symbol.asyncDispose]());
  }

  const dataDir = () => join(folder, 'data');

  async function start(): Promise<Lab> {
    const program = startProgram(['serve'], {
      ...cloud.env,
      ...testEngine().env,
      ...serverEnv(),
      DATA_DIR: dataDir(),
      DATABASE_URL: database.connectionString,
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
    expect(await engineProcesses(dataDir())).toEqual([]);
    expect(await cloud.parts.list()).toEqual([]);
    isClean = true;
    table.add({ fault, outcome: status, asked: MACHINES, machines: there, then: `${there + 1}, 0` });
  }

  /** Asked without a pause: what is waited for lasts for moments. */
  const SOON = { ...AWS_WAIT, interval: 10 };

  const launchPhases: Phase[] = [
    { name: 'before the child', reached: () => Promise.resolve() },
    {
      name: 'while the stack is selected',
      reached: () => expect.poll(() => engineProcesses(dataDir()), SOON).not.toEqual([]),
    },
    {
      name: 'before the first machine',
      reached: () => expect.poll(() => cloud.diary(), SOON).not.toEqual([]),
    },
    {
      name: 'in the middle of making machines',
      holds: true,
      reached: () => expect.poll(machines, AWS_WAIT).toHaveLength(MACHINES),
    },
    {
      name: 'after all are made, before it is settled',
      reached: (id) => expect.poll(async () => (await find(id))?.progress.done, SOON).toBe(MACHINES),
    },
  ];

  test.each(launchPhases)('in a launch, $name: whole again after a start', async (phase) => {
    if (phase.holds === true) cloud.faults.hold('lab-vm-test-2');
    const id = await begin('/api/launch', MACHINES);
    await phase.reached(id);
    await killAndStartAgain();
    await isWhole(`allocator killed: launch, ${phase.name}`, id);
  });

  const destroyPhases: Phase[] = [
    { name: 'before the child', reached: () => Promise.resolve() },
    {
      name: 'in the middle of ending machines',
      reached: () => expect.poll(async () => (await machines()).length, SOON).toBeLessThan(MACHINES),
    },
    {
      name: 'after all have ended, before it is settled',
      reached: () => expect.poll(machines, SOON).toEqual([]),
    },
  ];

  test.each(destroyPhases)('in a destroy, $name: whole again after a start', async ({ name, reached }) => {
    await ended(await begin('/api/launch', MACHINES));
    expect(await agree()).toHaveLength(MACHINES);
    const id = await begin('/destroy');
    await reached(id);
    await killAndStartAgain();
    await isWhole(`allocator killed: destroy, ${name}`, id);
  });
});

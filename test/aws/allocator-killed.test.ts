// The allocator, a process of its own, is killed while Pulumi works on a launch or a destroy, and started again: AWS, state
// and rows list the same machines, no process is left, and the next launch and destroy work. The database is external;
// test/process/killed.test.ts has the embedded one.
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { configText, serverEnv } from '../support/aws-config.ts';
import { AWS_WAIT, readStateNames } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
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
  /** AWS does not confirm one machine until the allocator is back. */
  readonly holds?: boolean;
  readonly reached: (id: string) => Promise<unknown>;
};

describe.skipIf(!motoIsThere())('a killed allocator with machines on AWS', { timeout: 400_000 }, () => {
  const table = createFaultTable('allocator-killed');
  let open = new AsyncDisposableStack();
  let cloud: TestCloud;
  let database: TestDatabase;
  let folder: string;
  let lab: Lab;
  /** The lab of a failed test is thrown away. */
  let isClean = false;

  beforeEach(async () => {
    if (!isClean) await openAnew();
    isClean = false;
    cloud.faults.reset();
    // Hostnames of destroyed machines are not reused for an hour.
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
    // A server that runs as root starts Postgres as another user, who must reach the data.
    await chmod(folder, 0o711);
    await mkdir(join(folder, 'config'));
    await writeFile(join(folder, 'config/config.yaml'), configText(cloud));
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

  /** Right after its start, the server rejects operations for a moment. */
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

  /** The operation has ended, AWS, state and rows agree, and no process of the engine is left. */
  async function expectConsistent(fault: string, id: string): Promise<void> {
    await ended(id);
    const { status = '?' } = (await find(id)) ?? {};
    const machines = (await agree()).length;
    expect(await engineProcesses(dataDir())).toEqual([]);
    table.add({ fault, outcome: status, asked: MACHINES, machines });
  }

  async function destroyAll(): Promise<void> {
    await ended(await begin('/destroy'));
    expect(await agree()).toEqual([]);
    expect(await engineProcesses(dataDir())).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
    isClean = true;
  }

  /** Without pauses: the awaited moment may be short. */
  const SOON = { ...AWS_WAIT, interval: 10 };

  // test/process/killed.test.ts has all phases, with local machines. These are the phases in which Pulumi is at work.
  const launchPhases: Phase[] = [
    {
      name: 'before the first machine',
      reached: () => expect.poll(() => cloud.calls(), SOON).not.toEqual([]),
    },
    {
      name: 'while machines are created',
      holds: true,
      reached: () => expect.poll(machines, AWS_WAIT).toHaveLength(MACHINES),
    },
    {
      name: 'after all machines are created',
      reached: (id) => expect.poll(async () => (await find(id))?.progress.done, SOON).toBe(MACHINES),
    },
  ];

  test.each(launchPhases)('an allocator that is killed in a launch $name recovers', async (phase) => {
    if (phase.holds === true) cloud.faults.hold('lab-vm-test-2');
    const id = await begin('/api/launch', MACHINES);
    await phase.reached(id);
    await killAndStartAgain();
    await expectConsistent(`allocator killed: launch, ${phase.name}`, id);
    await destroyAll();
  });

  test('an allocator that is killed while a destroy terminates machines recovers', async () => {
    await ended(await begin('/api/launch', MACHINES));
    expect(await agree()).toHaveLength(MACHINES);
    const id = await begin('/destroy');
    await expect.poll(async () => (await machines()).length, SOON).toBeLessThan(MACHINES);
    await killAndStartAgain();
    await expectConsistent('allocator killed: destroy, while machines are terminated', id);
    await ended(await begin('/api/launch', 1));
    expect(await agree()).toHaveLength(1);
    await destroyAll();
  });
});

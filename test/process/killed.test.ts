// The allocator is killed in every phase of a launch and of a destroy, and started again: no process is left over, no
// row is without its machine, and the next launch and destroy work.
import { chmod, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { runningVms } from '../support/local-vms.ts';
import { startProgram, type Program } from '../support/program.ts';

const PASSWORD = 'a password for tests';
const POLLING = { timeout: 90_000, interval: 100 };
const MACHINES = 4;
const counts: string[] = [];

type Lab = { readonly program: Program; readonly admin: LablinkClient };
type Phase = { readonly name: string; readonly reached: (lab: Lab, id: string) => Promise<boolean> };

const inEvents =
  (text: string, times: number): Phase['reached'] =>
  async ({ admin }, id) => {
    const { data } = await admin.GET('/api/v1/operations/{id}', { params: { path: { id } } });
    const done = data?.progress.done ?? 0;
    return text === 'done' ? done >= times : data?.status === text;
  };
const launchPhases: Phase[] = [
  { name: 'just requested', reached: () => Promise.resolve(true) },
  { name: 'started', reached: async (lab, id) => !(await inEvents('queued', 0)(lab, id)) },
  { name: 'with one machine created', reached: inEvents('done', 1) },
  { name: 'with all machines but one created', reached: inEvents('done', MACHINES - 1) },
  { name: 'succeeded', reached: inEvents('succeeded', 0) },
];
const destroyPhases: Phase[] = [
  { name: 'just requested', reached: () => Promise.resolve(true) },
  { name: 'with one machine destroyed', reached: inEvents('done', 1) },
  { name: 'succeeded', reached: inEvents('succeeded', 0) },
];

describe('the allocator killed', { timeout: 300_000 }, () => {
  let folder: string;
  let lab: Lab;
  let open = new AsyncDisposableStack();
  /** Each test leaves the folder empty for the next one; what a failed test has left is removed. */
  let isClean = false;

  beforeEach(async () => {
    if (!isClean) await openFresh();
    isClean = false;
  });
  beforeAll(() => counts.push('phase | rows | machines | processes'));
  afterAll(async () => {
    console.log(counts.join('\n'));
    await open.disposeAsync();
    expect(await processes()).toEqual([]);
  });

  async function openFresh(): Promise<void> {
    await open.disposeAsync();
    open = new AsyncDisposableStack();
    folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-killed-')));
    open.defer(() => rm(folder, { recursive: true }));
    await chmod(folder, 0o711);
    lab = await start();
    open.defer(() => lab.program[Symbol.asyncDispose]());
  }

  async function start(): Promise<Lab> {
    const program = startProgram(['serve'], {
      DATA_DIR: join(folder, 'data'),
      PROVIDER: 'local',
      ADMIN_PASSWORD: PASSWORD,
    });
    const admin = createLablinkClient({ baseUrl: await program.url(), user: 'admin', password: PASSWORD });
    return { program, admin };
  }

  const root = () => join(folder, 'data/local-vms');
  const processes = async () => (await runningVms(root())).map(({ pid }) => pid);
  const machines = async () => (await readdir(root())).filter((name) => !name.startsWith('.')).sort();
  const rows = async () => Object.keys((await lab.admin.GET('/api/vm-status')).data ?? {}).sort();
  const running = async () =>
    Object.values((await lab.admin.GET('/api/vm-status')).data ?? {}).filter(
      (status) => status === 'running',
    );

  async function launch(count: number): Promise<string> {
    const { data } = await lab.admin.POST('/api/launch', { body: { num_vms: count }, ...asForm });
    return idOf(data);
  }
  async function destroy(): Promise<string> {
    return idOf((await lab.admin.POST('/destroy', {})).data);
  }
  function idOf(data: unknown): string {
    if (typeof data === 'object' && data !== null && 'id' in data && typeof data.id === 'string')
      return data.id;
    throw new Error(`expected an operation, got ${JSON.stringify(data)}`);
  }
  const ended = (id: string) =>
    expect
      .poll(
        async () =>
          (await lab.admin.GET('/api/v1/operations/{id}', { params: { path: { id } } })).data?.ended_at ??
          null,
        POLLING,
      )
      .not.toBeNull();

  async function killAndStartAgain(): Promise<void> {
    lab.program.child.kill('SIGKILL');
    await lab.program.ended;
    lab = await start();
  }

  /**
   * Rows, folders and processes agree, and a destroy leaves nothing. The launch of the next test, in the same data folder,
   * shows that launches work again; the last test launches by itself.
   */
  async function expectConsistent(phase: string): Promise<void> {
    await expect
      .poll(async () => [await rows(), (await processes()).length], POLLING)
      .toEqual([await machines(), (await machines()).length]);
    counts.push(
      `${phase} | ${(await rows()).length} | ${(await machines()).length} | ${(await processes()).length}`,
    );
    await ended(await destroy());
    expect([await rows(), await machines(), await processes()]).toEqual([[], [], []]);
    isClean = true;
  }

  test.each(launchPhases)(
    'an allocator killed during a launch ($name) is consistent again after a restart',
    async ({ name, reached }) => {
      const id = await launch(MACHINES);
      await expect.poll(() => reached(lab, id), { ...POLLING, interval: 10 }).toBe(true);
      await killAndStartAgain();
      await ended(id);
      await expectConsistent(`launch, ${name}`);
    },
  );

  test.each(destroyPhases)(
    'an allocator killed during a destroy ($name) is consistent again after a restart',
    async ({ name, reached }) => {
      await ended(await launch(MACHINES));
      const id = await destroy();
      await expect.poll(() => reached(lab, id), { ...POLLING, interval: 10 }).toBe(true);
      await killAndStartAgain();
      await ended(id);
      await expectConsistent(`destroy, ${name}`);
    },
  );

  test('an allocator killed between operations brings every machine back once with its participant', async () => {
    await ended(await launch(MACHINES));
    await expect.poll(async () => (await running()).length, POLLING).toBe(MACHINES);
    const ask = () =>
      lab.admin.POST('/api/request_vm', {
        body: { email: 'ada@example.org', crd_command: '4/0Aexample' },
        ...asForm,
      });
    const { data: given } = await ask();
    await killAndStartAgain();
    await expect.poll(async () => (await processes()).length, POLLING).toBe(MACHINES);
    const { data } = await lab.admin.GET('/api/v1/vms', { params: { query: { assigned: true } } });
    expect(data?.items.map(({ hostname, assignment }) => [hostname, assignment?.pin])).toEqual([
      typeof given === 'object' ? [given.hostname, given.pin] : [],
    ]);
    // Killed while the machine of the participant is being reset: it is free in the end, as every other one.
    const [held] = data?.items ?? [];
    const id = held?.assignment?.id ?? '';
    const released = await lab.admin.POST('/api/v1/assignments/{id}/release', { params: { path: { id } } });
    expect(released.data?.state).toBe('released');
    await killAndStartAgain();
    const free = async () => (await lab.admin.GET('/api/v1/overview')).data?.free;
    await expect.poll(free, POLLING).toBe(MACHINES);
    await ended(await launch(2));
    await expect.poll(async () => (await running()).length, POLLING).toBe(MACHINES + 2);
    await expectConsistent('between operations');
  });
});

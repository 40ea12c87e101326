// A whole workshop on one computer: 100 local VMs are launched, 100 participants send the form at once, all connect, all VMs
// are destroyed. Real processes and agents; measures time and memory.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { asForm, createLablinkClient, type LablinkClient } from '../src/client/client.ts';
import { openProcessTable } from '../src/process/process-table.ts';
import { LOCAL_VM_MARK } from '../src/provision/local/host-protocol.ts';
import { type Bench, type Measurement, type Row } from './measurement.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireFolder } from './support/folder.ts';
import { residentKib } from './support/memory.ts';

const MACHINES = 100;
const PASSWORD = 'a password for the bench';
const POLL_MS = 200;
const MIB_IN_KIB = 1_024;

export const story: Measurement = {
  name: 'story',
  about: `${MACHINES} local VMs launched, ${MACHINES} people at once, all destroyed`,
  limitSeconds: 240,
  run: runStory,
};

async function runStory({ lifecycle, say }: Bench): Promise<readonly Row[]> {
  const folder = await acquireFolder(lifecycle);
  const allocator = await acquireAllocator(lifecycle, folder, {
    PROVIDER: 'local',
    ADMIN_PASSWORD: PASSWORD,
  });
  const admin = createLablinkClient({
    baseUrl: `http://127.0.0.1:${allocator.port}`,
    user: 'admin',
    password: PASSWORD,
  });
  const before = await residentKib(allocator.pid);
  const launchedSeconds = await timed(async () => {
    await admin.POST('/api/launch', { body: { num_vms: MACHINES }, ...asForm });
    await until(async () => (await admin.GET('/api/unassigned_vms_count')).data?.count === MACHINES);
  });
  say(`launched in ${seconds(launchedSeconds)}`);
  const machines = await memoryOfMachines(join(folder.dataDir, 'local-vms'));
  const connectedSeconds = await timed(async () => {
    await Promise.all(Array.from({ length: MACHINES }, (_, index) => sendForm(admin, index)));
    await until(async () => (await connected(admin)) === MACHINES);
  });
  say(`all connected in ${seconds(connectedSeconds)}`);
  const after = await residentKib(allocator.pid);
  const destroyedSeconds = await timed(async () => {
    // Refused until the launch has ended, which writes down what it made after all machines are running.
    await until(async () => (await admin.POST('/destroy', {})).response.status === 202);
    await until(async () => (await admin.GET('/api/vm-status')).response.status === 404);
  });
  return [
    row(
      `${MACHINES} local VMs: launch to all running`,
      seconds(launchedSeconds),
      `${machines.count} processes, ${mib(machines.kib)} in all (proportional), ${mib(machines.kib / MACHINES)} each`,
    ),
    row(
      `${MACHINES} people at once: all connected`,
      seconds(connectedSeconds),
      `the allocator: ${mib(before)} before, ${mib(after)} after`,
    ),
    row(`${MACHINES} local VMs: destroy to none left`, seconds(destroyedSeconds), ''),
  ];
}

async function sendForm(client: LablinkClient, index: number): Promise<void> {
  const body = { email: `person${index}@example.org`, crd_command: `--code=4/0Abench_${index}` };
  const { response } = await client.POST('/api/request_vm', { body, ...asForm });
  if (response.status !== 200) throw new Error(`person ${index} was answered ${response.status}`);
}

async function connected(admin: LablinkClient): Promise<number> {
  const { data } = await admin.GET('/api/v1/vms', { params: { query: { limit: MACHINES } } });
  return data?.items.filter(({ assignment }) => assignment?.state === 'connected').length ?? 0;
}

/** Proportional memory (PSS), because a hundred Node processes share their program. */
async function memoryOfMachines(root: string): Promise<{ readonly count: number; readonly kib: number }> {
  const marked = await (await openProcessTable(LOCAL_VM_MARK)).marked(root);
  const sizes = await Promise.all(
    marked.map(async ({ pid }) => {
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
      return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
    }),
  );
  return { count: marked.length, kib: sizes.reduce((sum, size) => sum + size, 0) };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1_000;
}

/** Without a limit of its own: the measurement has one. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await delay(POLL_MS);
}

function row(what: string, measured: string, remark: string): Row {
  return { what, measured, goal: '', verdict: '', remark };
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;
const mib = (kib: number): string => `${(kib / MIB_IN_KIB).toFixed(0)} MiB`;

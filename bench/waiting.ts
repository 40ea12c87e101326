// 10,000 VMs wait for their command on one process: the memory for each of them, and the database connections for all.
import { setTimeout as delay } from 'node:timers/promises';
import { acquireGenerator, type Generator } from './load/generator.ts';
import { atMost, notMeasured, type Measurement, type Row } from './measurement.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { residentKib, settledKib } from './support/memory.ts';
import { openFilesLimit } from './support/open-files.ts';

const VMS = 10_000;
/** Polls that start and end before memory is first measured, so that code which is loaded once is not counted. */
const WARM_UP_VMS = 200;
const GOAL_KIB = 25;
const GOAL_CONNECTIONS = 20;
/** Other files that a process has open. */
const OTHER_FILES = 200;
/** By then, every poll has received a space (x-keep-alive-seconds in the contract), and every lease was renewed twice. */
const HOLD_MS = 25_000;
const SETTLE_LIMIT_MS = 20_000;
const POLL_MS = 100;

export const waiting: Measurement = {
  name: 'waiting',
  about: `${VMS} VMs waiting on one process: memory and database connections`,
  limitSeconds: 100,
  run: async ({ lifecycle, say }) => {
    if (openFilesLimit() < VMS + OTHER_FILES)
      return [
        notMeasured(`${VMS} VMs waiting`, `Raise the limit of open files: ulimit -n ${VMS + OTHER_FILES}.`),
      ];
    const folder = await acquireFolder(lifecycle);
    const allocator = await acquireAllocator(lifecycle, folder);
    const database = await acquireDatabase(lifecycle, allocator.connectionString);
    const generator = await acquireGenerator(lifecycle);
    const hostnames = await database.freshVms(VMS);
    const startWaiting = (count: number) =>
      startPolls(generator, database, allocator.port, hostnames.slice(0, count));

    await startWaiting(WARM_UP_VMS);
    await generator.run('disconnect', {});
    await until(async () => (await database.waiting()) === 0);
    const beforeKib = await settledKib(allocator.pid, SETTLE_LIMIT_MS);
    say(`before: ${mib(beforeKib)} MiB`);

    await startWaiting(VMS);
    const atOnceKib = await residentKib(allocator.pid);
    say(`all VMs wait: ${mib(atOnceKib)} MiB; holding them for ${HOLD_MS / 1_000} s`);
    const connections = await mostConnections(database);
    const thenKib = await settledKib(allocator.pid, SETTLE_LIMIT_MS);
    say(`at rest: ${mib(thenKib)} MiB`);
    const stillWaiting = await database.waiting();
    if (stillWaiting !== VMS) throw new Error(`${stillWaiting} of ${VMS} still wait.`);
    return rowsOf({ beforeKib, atOnceKib, thenKib, connections });
  },
};

/** Starts the polls; resolves when all of them wait, according to the database. */
async function startPolls(
  generator: Generator,
  database: Database,
  port: number,
  hostnames: readonly string[],
): Promise<void> {
  await generator.run('wait', { port, hostnames });
  await until(async () => (await database.waiting()) === hostnames.length);
}

/** The highest number of connections while all VMs wait, from repeated queries. */
async function mostConnections(database: Database): Promise<number> {
  let most = 0;
  for (let passedMs = 0; passedMs < HOLD_MS; passedMs += POLL_MS) {
    most = Math.max(most, await database.connections());
    await delay(POLL_MS);
  }
  return most;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(POLL_MS);
}

type Readings = {
  readonly beforeKib: number;
  readonly atOnceKib: number;
  readonly thenKib: number;
  readonly connections: number;
};

function rowsOf({ beforeKib, atOnceKib, thenKib, connections }: Readings): readonly Row[] {
  const each = (thenKib - beforeKib) / VMS;
  return [
    {
      what: `Memory of each of ${VMS} VMs waiting`,
      measured: `${each.toFixed(1)} KiB`,
      goal: `<= ${GOAL_KIB} KiB`,
      verdict: atMost(each, GOAL_KIB),
      remark: `resident ${mib(beforeKib)} MiB before, ${mib(atOnceKib)} once all wait, ${mib(thenKib)} at rest`,
    },
    {
      what: 'Database connections meanwhile',
      measured: String(connections),
      goal: `<= ${GOAL_CONNECTIONS}`,
      verdict: atMost(connections, GOAL_CONNECTIONS),
      remark: 'maximum in pg_stat_activity, including the listener and the lock',
    },
  ];
}

function mib(kib: number): string {
  return (kib / 1_024).toFixed(0);
}

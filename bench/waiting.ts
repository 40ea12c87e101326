// Ten thousand VMs that wait on one process: what each of them costs in memory, and all of them in database connections.
import { setTimeout as delay } from 'node:timers/promises';
import { acquireGenerator, type Generator } from './load/generator.ts';
import { atMost, notMeasured, type Measurement, type Row } from './measurement.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { residentKib, settledKib } from './support/memory.ts';
import { openFilesLimit } from './support/open-files.ts';

const VMS = 10_000;
/** Before memory is looked at first, so many have waited and left: what is loaded and compiled once is no waiter's. */
const WARM_UP_VMS = 200;
const GOAL_KIB = 25;
const GOAL_CONNECTIONS = 20;
/** Files that a process has open besides. */
const OTHER_FILES = 200;
/** Every poll has been sent a space by then (the contract's x-keep-alive-seconds), and every lease was renewed twice. */
const HOLD_MS = 25_000;
const SETTLE_LIMIT_MS = 20_000;
const LOOK_MS = 100;

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
    const gather = (count: number) =>
      gatherWaiters(generator, database, allocator.port, hostnames.slice(0, count));

    await gather(WARM_UP_VMS);
    await generator.run('leave', {});
    await until(async () => (await database.waiting()) === 0);
    const beforeKib = await settledKib(allocator.pid, SETTLE_LIMIT_MS);
    say(`before: ${mib(beforeKib)} MiB`);

    await gather(VMS);
    const atOnceKib = await residentKib(allocator.pid);
    say(`all wait: ${mib(atOnceKib)} MiB; holding them for ${HOLD_MS / 1_000} s`);
    const connections = await mostConnections(database);
    const thenKib = await settledKib(allocator.pid, SETTLE_LIMIT_MS);
    say(`at rest: ${mib(thenKib)} MiB`);
    const stillWaiting = await database.waiting();
    if (stillWaiting !== VMS) throw new Error(`${stillWaiting} of ${VMS} wait after a while.`);
    return rowsOf({ beforeKib, atOnceKib, thenKib, connections });
  },
};

/** Resolves when the database says that all of them wait. */
async function gatherWaiters(
  generator: Generator,
  database: Database,
  port: number,
  hostnames: readonly string[],
): Promise<void> {
  await generator.run('wait', { port, hostnames });
  await until(async () => (await database.waiting()) === hostnames.length);
}

/** The most that were open at any look while everybody waits. */
async function mostConnections(database: Database): Promise<number> {
  let most = 0;
  for (let passedMs = 0; passedMs < HOLD_MS; passedMs += LOOK_MS) {
    most = Math.max(most, await database.connections());
    await delay(LOOK_MS);
  }
  return most;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(LOOK_MS);
}

type Seen = {
  readonly beforeKib: number;
  readonly atOnceKib: number;
  readonly thenKib: number;
  readonly connections: number;
};

function rowsOf({ beforeKib, atOnceKib, thenKib, connections }: Seen): readonly Row[] {
  const each = (thenKib - beforeKib) / VMS;
  return [
    {
      what: `Memory of each of ${VMS} VMs waiting`,
      measured: `${each.toFixed(1)} KiB`,
      goal: `<= ${GOAL_KIB} KiB`,
      verdict: atMost(each, GOAL_KIB),
      remark: `resident ${mib(beforeKib)} MiB before, ${mib(atOnceKib)} as all wait, ${mib(thenKib)} at rest`,
    },
    {
      what: 'Database connections meanwhile',
      measured: String(connections),
      goal: `<= ${GOAL_CONNECTIONS}`,
      verdict: atMost(connections, GOAL_CONNECTIONS),
      remark: 'the most in pg_stat_activity, pool and listener and lock together',
    },
  ];
}

function mib(kib: number): string {
  return (kib / 1_024).toFixed(0);
}

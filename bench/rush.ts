// The minute at which everybody joins: 600 people within one second while 500 VMs wait; 2,000 within five seconds while 1,500 VMs
// wait and report. And what one claim costs among many and among few free machines.
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { claimSql } from '../src/db/claim.ts';
import { acquireGenerator, type Generator } from './load/generator.ts';
import type { Jobs } from './load/jobs.ts';
import { atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median, percentile } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { openFilesLimit } from './support/open-files.ts';

type Size = {
  readonly people: number;
  readonly vms: number;
  readonly overMs: number;
  readonly pageGoalMs: number;
  readonly toldGoalMs: number | null;
};
const SECOND: Size = { people: 600, vms: 500, overMs: 1_000, pageGoalMs: 500, toldGoalMs: 1_000 };
const LARGE: Size = { people: 2_000, vms: 1_500, overMs: 5_000, pageGoalMs: 2_000, toldGoalMs: null };
const HEARTBEAT_EVERY_MS = 20_000;
const LOG_EVERY_MS = 5_000;
const HEARTBEAT_GOAL_MS = 500;
/** Reports and watchers begin before the people, and go on after them. */
const LEAD_MS = 2_000;
const WATCH_EVERY_MS = 50;
const WATCH_GOAL_MS = 300;
const OTHER_FILES = 200;
const POLL_MS = 100;
const WARM_UP = 30;

const MANY = 5_000;
const FEW = 50;
const CLAIMS = 40;
const TURNS = 5;
const COST_GOAL = 1.5;

export const rush: Measurement = {
  name: 'rush',
  about: `${SECOND.people} people in 1 s and ${LARGE.people} in 5 s while VMs wait; a claim among ${MANY} free machines`,
  limitSeconds: 200,
  run: async (bench) => {
    if (openFilesLimit() < LARGE.people + LARGE.vms + OTHER_FILES)
      return [
        notMeasured(
          'The rush',
          `Raise the limit of open files: ulimit -n ${LARGE.people + LARGE.vms + OTHER_FILES}.`,
        ),
      ];
    const folder = await acquireFolder(bench.lifecycle);
    const { port, connectionString } = await acquireAllocator(bench.lifecycle, folder);
    const database = await acquireDatabase(bench.lifecycle, connectionString);
    const crowd = await measureCrowd(bench, port, database);
    const large = await measureLargeCrowd(bench, port, database);
    return [...crowd, ...large, await measureCost(connectionString, database)];
  },
};

async function measureCrowd({ lifecycle }: Bench, port: number, database: Database): Promise<Row[]> {
  const generator = await acquireGenerator(lifecycle);
  await database.freshVms(WARM_UP);
  const watcher = await acquireGenerator(lifecycle);
  const warmUp = { port, connections: 1, requests: WARM_UP, prefix: 'warm', accept: 'text/html' as const };
  await generator.run('requestAtOnce', warmUp);
  await waitingVms(generator, database, { port, vms: SECOND.vms });
  const watching = watcher.run('watch', {
    port,
    paths: await watchedPaths(port),
    everyMs: WATCH_EVERY_MS,
    forMs: LEAD_MS + SECOND.overMs + LEAD_MS,
  });
  const [{ byPath }, result] = await Promise.all([
    watching,
    delay(LEAD_MS).then(() => generator.run('rush', { port, ...SECOND, prefix: 'rush' })),
  ]);
  return [
    ...crowdRows(SECOND, result),
    ...Object.entries(byPath).map(([path, ms]) =>
      timesRow(`… meanwhile \`${path}\`, p50 / p99`, ms, WATCH_GOAL_MS),
    ),
  ];
}

/** The page, a static file of it, and the count of free machines. */
async function watchedPaths(port: number): Promise<string[]> {
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const [file] = /\/static\/app\.\w+\.css/.exec(page) ?? [];
  if (file === undefined) throw new Error('The page names no stylesheet.');
  return ['/', file, '/api/unassigned_vms_count'];
}

async function measureLargeCrowd(
  { lifecycle }: Bench,
  port: number,
  database: Database,
): Promise<readonly Row[]> {
  const [people, machines] = [await acquireGenerator(lifecycle), await acquireGenerator(lifecycle)];
  const hostnames = await waitingVms(people, database, { port, vms: LARGE.vms });
  const reporting = machines.run('report', {
    port,
    hostnames,
    heartbeatEveryMs: HEARTBEAT_EVERY_MS,
    logEveryMs: LOG_EVERY_MS,
    forMs: LEAD_MS + LARGE.overMs + LEAD_MS,
  });
  const [{ heartbeatMs, logMs, refused }, result] = await Promise.all([
    reporting,
    delay(LEAD_MS).then(() => people.run('rush', { port, ...LARGE, prefix: 'large' })),
  ]);
  return [
    ...crowdRows(LARGE, result),
    timesRow('… heartbeats meanwhile, p50 / p99', heartbeatMs, HEARTBEAT_GOAL_MS),
    timesRow('… log batches meanwhile, p50 / p99', logMs, null),
    countRow('… reports refused', refused),
  ];
}

/** Resolves when all of them wait, according to the database. */
async function waitingVms(
  generator: Generator,
  database: Database,
  { port, vms }: { readonly port: number; readonly vms: number },
): Promise<readonly string[]> {
  const hostnames = await database.freshVms(vms);
  await generator.run('wait', { port, hostnames });
  while ((await database.waiting()) !== vms) await delay(POLL_MS);
  return hostnames;
}

function crowdRows(
  { people, vms, overMs, pageGoalMs, toldGoalMs }: Size,
  { pageMs, toldMs, hostnames, refused }: Jobs['rush']['result'],
): Row[] {
  const what = `${people} people in ${overMs / 1_000} s, ${vms} VMs waiting`;
  return [
    timesRow(`${what}: page, p50 / p99`, pageMs, pageGoalMs),
    timesRow('… VM told, p50 / p99', toldMs, toldGoalMs),
    countRow('… VMs with two people', hostnames.length - new Set(hostnames).size),
    countRow('… pages that falsely said "full"', vms - hostnames.length),
    { what: '… forms refused, and sent again', measured: String(refused), goal: '', verdict: '', remark: '' },
  ];
}

function timesRow(what: string, values: readonly number[], goalMs: number | null): Row {
  const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
  return {
    what,
    measured: `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`,
    goal: goalMs === null ? '' : `p99 < ${goalMs} ms`,
    verdict: goalMs === null ? '' : atMost(p99, goalMs),
    remark: 'from the connection that is opened to the last byte; the load shares the processors',
  };
}

function countRow(what: string, count: number): Row {
  return { what, measured: String(count), goal: '0', verdict: atMost(count, 0), remark: '' };
}

/** One person after another, over one connection, in turns. Claims are undone, so that as many machines stay free. */
async function measureCost(connectionString: string, database: Database): Promise<Row> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const ms: Record<'few' | 'many', number[]> = { few: [], many: [] };
    for (let turn = 0; turn < TURNS; turn += 1) {
      ms.few.push(await claimMs(client, database, FEW));
      ms.many.push(await claimMs(client, database, MANY));
    }
    const ratio = median(ms.many) / median(ms.few);
    return {
      what: `A claim among ${MANY} / among ${FEW} free machines`,
      measured: `${ratio.toFixed(2)} (${median(ms.many).toFixed(2)} / ${median(ms.few).toFixed(2)} ms)`,
      goal: `<= ${COST_GOAL}`,
      verdict: atMost(ratio, COST_GOAL),
      remark: `without the commit; median of ${TURNS} turns of ${CLAIMS} claims each`,
    };
  } finally {
    await client.end();
  }
}

/** The median of the claims; none of these machines waits. */
async function claimMs(client: Client, database: Database, free: number): Promise<number> {
  await database.freshVms(free);
  const ms: number[] = [];
  for (let index = 0; index < CLAIMS; index += 1) {
    const one = (text: string): string[] => [text];
    const values = [
      one(crypto.randomUUID()),
      one(`cost-${index}@example.org`),
      one('browser'),
      one('command'),
      one('123456'),
      one('127.0.0.1'),
      one('vm_updates'),
      one('127.0.0.1'),
      [null],
    ];
    await client.query('begin');
    const startedMs = performance.now();
    const { rowCount } = await client.query({ name: 'claim', text: claimSql('skip locked'), values });
    ms.push(performance.now() - startedMs);
    await client.query('rollback');
    if (rowCount !== 1) throw new Error('No machine was assigned.');
  }
  return median(ms);
}

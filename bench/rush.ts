// The minute at which everybody joins: 600 people within one second, while 500 VMs wait. And what one claim costs among many and
// among few free machines.
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { claimSql } from '../src/db/claim.ts';
import { acquireGenerator } from './load/generator.ts';
import { atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median, percentile } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { openFilesLimit } from './support/open-files.ts';

const PEOPLE = 600;
const VMS = 500;
const OVER_MS = 1_000;
const PAGE_GOAL_MS = 500;
const TOLD_GOAL_MS = 1_000;
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
  about: `${PEOPLE} people within a second, ${VMS} VMs waiting; a claim among ${MANY} free machines`,
  limitSeconds: 100,
  run: async (bench) => {
    if (openFilesLimit() < PEOPLE + VMS + OTHER_FILES)
      return [
        notMeasured('The rush', `Raise the limit of open files: ulimit -n ${PEOPLE + VMS + OTHER_FILES}.`),
      ];
    const folder = await acquireFolder(bench.lifecycle);
    const { port, connectionString } = await acquireAllocator(bench.lifecycle, folder);
    const database = await acquireDatabase(bench.lifecycle, connectionString);
    const crowd = await measureCrowd(bench, port, database);
    return [...crowd, await measureCost(connectionString, database)];
  },
};

async function measureCrowd({ lifecycle }: Bench, port: number, database: Database): Promise<Row[]> {
  const generator = await acquireGenerator(lifecycle);
  await database.freshVms(WARM_UP);
  const warmUp = { port, connections: 1, requests: WARM_UP, prefix: 'warm', accept: 'text/html' as const };
  await generator.run('requestAtOnce', warmUp);
  await generator.run('wait', { port, hostnames: await database.freshVms(VMS) });
  while ((await database.waiting()) !== VMS) await delay(POLL_MS);
  const { pageMs, toldMs, hostnames } = await generator.run('rush', {
    port,
    people: PEOPLE,
    overMs: OVER_MS,
  });
  const what = `${PEOPLE} people in ${OVER_MS / 1_000} s, ${VMS} VMs waiting`;
  return [
    timesRow(`${what}: page, p50 / p99`, pageMs, PAGE_GOAL_MS),
    timesRow('… VM told, p50 / p99', toldMs, TOLD_GOAL_MS),
    countRow('… VMs with two people', hostnames.length - new Set(hostnames).size),
    countRow('… pages that falsely said "full"', VMS - hostnames.length),
  ];
}

function timesRow(what: string, values: readonly number[], goalMs: number): Row {
  const [p50, p99] = [percentile(values, 0.5), percentile(values, 0.99)];
  return {
    what,
    measured: `${p50.toFixed(0)} / ${p99.toFixed(0)} ms`,
    goal: `p99 < ${goalMs} ms`,
    verdict: atMost(p99, goalMs),
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

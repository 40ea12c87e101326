// From asked to told: two thousand VMs wait, people ask one after another; how long until the VM has its answer.
import { setTimeout as delay } from 'node:timers/promises';
import { acquireGenerator } from './load/generator.ts';
import { atMost, notMeasured, type Measurement, type Row } from './measurement.ts';
import { percentile } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { openFilesLimit } from './support/open-files.ts';

const VMS = 2_000;
const PEOPLE = 300;
const PER_SECOND = 20;
/** Not counted. */
const WARM_UP_PEOPLE = 40;
const GOAL_MS = 100;
const OTHER_FILES = 200;
const LOOK_MS = 100;

export const told: Measurement = {
  name: 'told',
  about: `from asked to told, with ${VMS} VMs waiting`,
  limitSeconds: 60,
  run: async ({ lifecycle }) => {
    if (openFilesLimit() < VMS + OTHER_FILES)
      return [notMeasured('Asked to told', `Raise the limit of open files: ulimit -n ${VMS + OTHER_FILES}.`)];
    const folder = await acquireFolder(lifecycle);
    const { port, connectionString } = await acquireAllocator(lifecycle, folder);
    const database = await acquireDatabase(lifecycle, connectionString);
    const generator = await acquireGenerator(lifecycle);
    await generator.run('wait', { port, hostnames: await database.freshVms(VMS) });
    while ((await database.waiting()) !== VMS) await delay(LOOK_MS);
    const people = WARM_UP_PEOPLE + PEOPLE;
    const { toldMs, answeredMs } = await generator.run('tell', { port, people, perSecond: PER_SECOND });
    return [rowOf(toldMs.slice(WARM_UP_PEOPLE), answeredMs.slice(WARM_UP_PEOPLE))];
  },
};

function rowOf(toldMs: readonly number[], answeredMs: readonly number[]): Row {
  const p95 = percentile(toldMs, 0.95);
  const all = [0.5, 0.95, 0.99].map((share) => percentile(toldMs, share).toFixed(1));
  return {
    what: `Asked to told, p50 / p95 / p99, ${VMS} VMs waiting`,
    measured: `${all.join(' / ')} ms`,
    goal: `p95 < ${GOAL_MS} ms`,
    verdict: atMost(p95, GOAL_MS),
    remark: `${toldMs.length} people, ${PER_SECOND} a second; they had their own answer after ${percentile(answeredMs, 0.5).toFixed(1)} ms (p50)`,
  };
}

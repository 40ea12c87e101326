// Request to delivery: 2,000 VMs wait while participants send the form one after another. How long until the waiting poll of
// the assigned VM is answered?
import { setTimeout as delay } from 'node:timers/promises';
import { acquireGenerator } from './load/generator.ts';
import { atMost, notMeasured, type Measurement, type Row } from './measurement.ts';
import { percentile } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { openFilesLimit } from './support/open-files.ts';

const VMS = 2_000;
const REQUESTS = 300;
const PER_SECOND = 20;
/** Requests that are sent first and not counted. */
const WARM_UP_REQUESTS = 40;
const GOAL_MS = 100;
const OTHER_FILES = 200;
const POLL_MS = 100;

export const delivery: Measurement = {
  name: 'delivery',
  about: `from request to delivery, with ${VMS} VMs waiting`,
  limitSeconds: 60,
  run: async ({ lifecycle }) => {
    if (openFilesLimit() < VMS + OTHER_FILES)
      return [
        notMeasured('Request to delivery', `Raise the limit of open files: ulimit -n ${VMS + OTHER_FILES}.`),
      ];
    const folder = await acquireFolder(lifecycle);
    const { port, connectionString } = await acquireAllocator(lifecycle, folder);
    const database = await acquireDatabase(lifecycle, connectionString);
    const generator = await acquireGenerator(lifecycle);
    await generator.run('wait', { port, hostnames: await database.freshVms(VMS) });
    while ((await database.waiting()) !== VMS) await delay(POLL_MS);
    const requests = WARM_UP_REQUESTS + REQUESTS;
    const { deliveryMs, answeredMs } = await generator.run('requestPaced', {
      port,
      requests,
      perSecond: PER_SECOND,
    });
    return [rowOf(deliveryMs.slice(WARM_UP_REQUESTS), answeredMs.slice(WARM_UP_REQUESTS))];
  },
};

function rowOf(deliveryMs: readonly number[], answeredMs: readonly number[]): Row {
  const p95 = percentile(deliveryMs, 0.95);
  const all = [0.5, 0.95, 0.99].map((share) => percentile(deliveryMs, share).toFixed(1));
  return {
    what: `Request to delivery, p50 / p95 / p99, ${VMS} VMs waiting`,
    measured: `${all.join(' / ')} ms`,
    goal: `p95 < ${GOAL_MS} ms`,
    verdict: atMost(p95, GOAL_MS),
    remark: `${deliveryMs.length} participants, ${PER_SECOND} a second; their forms were answered after ${percentile(answeredMs, 0.5).toFixed(1)} ms (p50)`,
  };
}

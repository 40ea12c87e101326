// The thousandth batch of a VM's logs over the first: appending must not look at what is there already.
import { acquireGenerator } from './load/generator.ts';
import { atMost, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';

const BATCHES = 1_000;
const LINES_PER_BATCH = 50;
/** So many batches at either end are taken together. */
const WINDOW = 20;
/** Another VM's, so that the first batches do not pay for what is compiled once. */
const WARM_UP_BATCHES = 300;
const GOAL = 1.2;

export const logs: Measurement = {
  name: 'logs',
  about: `the ${BATCHES}th batch of a VM's logs over the first`,
  limitSeconds: 40,
  run: async ({ lifecycle }) => {
    const folder = await acquireFolder(lifecycle);
    const { port, connectionString } = await acquireAllocator(lifecycle, folder);
    const database = await acquireDatabase(lifecycle, connectionString);
    const generator = await acquireGenerator(lifecycle);
    const [warmUp, hostname, fresh] = await database.freshVms(3);
    const push = async (hostnames: readonly string[]): Promise<readonly number[]> =>
      (await generator.run('push', { port, hostnames, linesPerBatch: LINES_PER_BATCH })).batchMs;

    await push(Array.from({ length: WARM_UP_BATCHES }, () => warmUp!));
    const untilLast = await push(Array.from({ length: BATCHES - WINDOW }, () => hostname!));
    const byTurns = await push(Array.from({ length: WINDOW }, () => [hostname!, fresh!]).flat());
    return [
      rowOf({
        first: untilLast.slice(0, WINDOW),
        last: byTurns.filter((_, at) => at % 2 === 0),
        freshFirst: byTurns.filter((_, at) => at % 2 === 1),
        slowestMs: Math.max(...untilLast, ...byTurns),
      }),
    ];
  },
};

type Batches = {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly freshFirst: readonly number[];
  readonly slowestMs: number;
};

/** The ratio is that by turns: seconds apart, a busy machine alone makes two. */
function rowOf({ first, last, freshFirst, slowestMs }: Batches): Row {
  const [lastMs, freshMs] = [median(last), median(freshFirst)];
  const ratio = lastMs / freshMs;
  return {
    what: `Log batch ${BATCHES} / batch 1`,
    measured: ratio.toFixed(2),
    goal: `<= ${GOAL}`,
    verdict: atMost(ratio, GOAL),
    remark: `${lastMs.toFixed(1)} / ${freshMs.toFixed(1)} ms, by turns with a VM that has no logs; medians of ${WINDOW} batches of ${LINES_PER_BATCH} lines; the VM's own first took ${median(first).toFixed(1)} ms, the slowest of all ${slowestMs.toFixed(0)} ms`,
  };
}

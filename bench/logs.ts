// The thousandth batch of a VM's logs compared with the first: appending must not read the lines that are stored already.
import { acquireGenerator } from './load/generator.ts';
import { atMost, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';

const BATCHES = 1_000;
const LINES_PER_BATCH = 50;
/** The number of first and of last batches that are compared. */
const WINDOW = 20;
/** The number of VMs with many logs, and of VMs without logs. */
const VMS = 5;
const GOAL = 1.2;

export const logs: Measurement = {
  name: 'logs',
  about: `the ${BATCHES}th batch of a VM's logs compared with the first`,
  limitSeconds: 60,
  run: async ({ lifecycle }) => {
    const folder = await acquireFolder(lifecycle);
    const { port, connectionString } = await acquireAllocator(lifecycle, folder);
    const database = await acquireDatabase(lifecycle, connectionString);
    const generator = await acquireGenerator(lifecycle);
    const hostnames = await database.freshVms(2 * VMS);
    const [old, fresh] = [hostnames.slice(0, VMS), hostnames.slice(VMS)];
    const push = async (turns: readonly string[]): Promise<readonly number[]> =>
      (await generator.run('push', { port, hostnames: turns, linesPerBatch: LINES_PER_BATCH })).batchMs;

    const before = await push(repeat(old, BATCHES - WINDOW));
    const inTurns = await push(
      repeat(
        old.flatMap((hostname, at) => [hostname, fresh[at]!]),
        WINDOW,
      ),
    );
    return [
      rowOf({
        last: inTurns.filter((_, at) => at % 2 === 0),
        first: inTurns.filter((_, at) => at % 2 === 1),
        slowestMs: Math.max(...before, ...inTurns),
      }),
    ];
  },
};

function repeat(names: readonly string[], times: number): readonly string[] {
  return Array.from({ length: times }, () => names).flat();
}

type Batches = {
  readonly last: readonly number[];
  readonly first: readonly number[];
  readonly slowestMs: number;
};

/** Both kinds of VMs send in turns: measured seconds apart, the load of the computer alone can double the ratio. */
function rowOf({ last, first, slowestMs }: Batches): Row {
  const [lastMs, firstMs] = [median(last), median(first)];
  const ratio = lastMs / firstMs;
  return {
    what: `Log batch ${BATCHES} / batch 1`,
    measured: ratio.toFixed(2),
    goal: `<= ${GOAL}`,
    verdict: atMost(ratio, GOAL),
    remark: `${lastMs.toFixed(1)} / ${firstMs.toFixed(1)} ms; ${LINES_PER_BATCH} lines each; the last ${WINDOW} batches of ${VMS} VMs in turns with the first ${WINDOW} of ${VMS} others; slowest of all ${slowestMs.toFixed(0)} ms`,
  };
}

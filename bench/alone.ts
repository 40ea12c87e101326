// One person alone, beside the same with an older version: grouping must not make anybody wait who comes alone. BEFORE=<folder> names
// a checkout of the older version, with its packages and assets (docs/performance.md).
import { join, resolve } from 'node:path';
import { acquireGenerator } from './load/generator.ts';
import { atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';

const REQUESTS = 150;
const SPARE_VMS = 50;
const TURNS = 15;
const GOAL = 1.05;

/** Milliseconds for each answer. */
type Side = () => Promise<number>;

export const alone: Measurement = {
  name: 'alone',
  about: 'one person after another, compared with the version in BEFORE',
  limitSeconds: 200,
  run: async (bench) => {
    const before = process.env['BEFORE'];
    if (before === undefined || before === '')
      return [
        notMeasured('One person alone / before groups', 'Set BEFORE to a checkout of the version before.'),
      ];
    const older = await openSide(bench, { path: join(resolve(before), 'src/main.ts') });
    const ours = await openSide(bench, 'checkout');
    const turns: { readonly older: number; readonly ours: number }[] = [];
    // The first turn warms up. Each begins with the other side.
    for (let turn = 0; turn <= TURNS; turn += 1) {
      const first = turn % 2 === 0 ? await older() : await ours();
      const second = turn % 2 === 0 ? await ours() : await older();
      const taken = turn % 2 === 0 ? { older: first, ours: second } : { older: second, ours: first };
      bench.say(`turn ${turn}: before ${taken.older.toFixed(2)} ms, now ${taken.ours.toFixed(2)} ms`);
      if (turn > 0) turns.push(taken);
    }
    return [rowOf(turns)];
  },
};

async function openSide(
  { lifecycle }: Bench,
  program: Parameters<typeof acquireAllocator>[3],
): Promise<Side> {
  const folder = await acquireFolder(lifecycle);
  const { port, connectionString } = await acquireAllocator(lifecycle, folder, {}, program);
  const database = await acquireDatabase(lifecycle, connectionString);
  const generator = await acquireGenerator(lifecycle);
  return async () => {
    await database.freshVms(REQUESTS + SPARE_VMS);
    const job = { port, connections: 1, requests: REQUESTS, prefix: 'alone', accept: 'text/html' } as const;
    const { seconds } = await generator.run('requestAtOnce', job);
    return (seconds * 1_000) / REQUESTS;
  };
}

function rowOf(turns: readonly { readonly older: number; readonly ours: number }[]): Row {
  const ratio = median(turns.map(({ older, ours }) => ours / older));
  const [ours, older] = [median(turns.map((turn) => turn.ours)), median(turns.map((turn) => turn.older))];
  return {
    what: 'One person alone: page / before groups',
    measured: `${ratio.toFixed(2)} (${ours.toFixed(2)} / ${older.toFixed(2)} ms)`,
    goal: `<= ${GOAL}`,
    verdict: atMost(ratio, GOAL),
    remark: `median of ${turns.length} turns of ${REQUESTS} people one after another`,
  };
}

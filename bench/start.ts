// From the start of the process to ready, with an empty data folder and with an existing one, compared with a bare Postgres.
import { type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator } from './support/allocator.ts';
import { openBarePostgres } from './support/bare-postgres.ts';
import { acquireFolder } from './support/folder.ts';

const TURNS = 3;

type Turn = { readonly first: number; readonly again: number };
type Turns = { readonly ours: Turn; readonly bare: Turn };

export const start: Measurement = {
  name: 'start',
  about: 'from start to ready, compared with a bare Postgres',
  limitSeconds: 60,
  run: async (bench) => {
    const turns: Turns[] = [];
    for (let turn = 1; turn <= TURNS; turn++) {
      const taken = await takeTurn(bench);
      bench.say(`turn ${turn}: first ${seconds(taken.ours.first)}, again ${seconds(taken.ours.again)}`);
      turns.push(taken);
    }
    return [
      rowOf('First start to ready (creates the database)', 'first', turns),
      rowOf('Second start to ready', 'again', turns),
    ];
  },
};

async function takeTurn({ lifecycle }: Bench): Promise<Turns> {
  const folder = await acquireFolder(lifecycle);
  const ours = async (): Promise<number> => {
    const allocator = await acquireAllocator(lifecycle, folder);
    await allocator.stop();
    return allocator.readySeconds;
  };
  const bare = await openBarePostgres(lifecycle, folder);
  const first = { ours: await ours(), bare: await bare.first() };
  const again = { ours: await ours(), bare: await bare.again() };
  return {
    ours: { first: first.ours, again: again.ours },
    bare: { first: first.bare, again: again.bare },
  };
}

function rowOf(what: string, which: keyof Turn, turns: readonly Turns[]): Row {
  const ours = median(turns.map((turn) => turn.ours[which]));
  const bare = median(turns.map((turn) => turn.bare[which]));
  const ratio = median(turns.map((turn) => turn.ours[which] / turn.bare[which]));
  return {
    what,
    measured: seconds(ours),
    goal: '',
    verdict: '',
    remark: `${ratio.toFixed(1)} times a bare Postgres (${seconds(bare)}); to the first 200 of /api/health, median of ${TURNS}`,
  };
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

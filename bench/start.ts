// From the start of the process to ready, with an empty data folder and with an existing one: an installation and a checkout side by
// side, compared with a bare Postgres. Both keep what Node compiled, as they do in use.
import { atMost, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator, type Program } from './support/allocator.ts';
import { openBarePostgres } from './support/bare-postgres.ts';
import { acquireFolder, type Folder } from './support/folder.ts';

const TURNS = 3;
/** Seconds, of an installation. */
const GOALS: Readonly<Record<keyof Turn, number>> = { first: 3, again: 1.5 };

type Turn = { readonly first: number; readonly again: number };
type Turns = Readonly<Record<Program | 'bare', Turn>>;

export const start: Measurement = {
  name: 'start',
  about: 'from start to ready, compared with a bare Postgres',
  limitSeconds: 120,
  run: async (bench) => {
    const compiled = await acquireFolder(bench.lifecycle);
    const turns: Turns[] = [];
    // The first one fills the folder of what Node compiled, and does not count.
    for (let turn = 0; turn <= TURNS; turn++) {
      const taken = await takeTurn(bench, compiled);
      const texts = Object.entries(taken).map(
        ([what, { first, again }]) => `${what}: first ${seconds(first)}, again ${seconds(again)}`,
      );
      bench.say(`turn ${turn}: ${texts.join('; ')}`);
      if (turn > 0) turns.push(taken);
    }
    return (['installed', 'checkout'] as const).flatMap((program) => [
      rowOf(`First start to ready (creates the database), ${program}`, program, 'first', turns),
      rowOf(`Second start to ready, ${program}`, program, 'again', turns),
    ]);
  },
};

async function takeTurn({ lifecycle }: Bench, compiled: Folder): Promise<Turns> {
  const startOf = async (program: Program, folder: Folder): Promise<number> => {
    const kept = { NODE_COMPILE_CACHE: compiled.path };
    const allocator = await acquireAllocator(lifecycle, folder, kept, program);
    await allocator.stop();
    return allocator.readySeconds;
  };
  const bothOf = async (program: Program): Promise<Turn> => {
    const folder = await acquireFolder(lifecycle);
    return { first: await startOf(program, folder), again: await startOf(program, folder) };
  };
  const bare = await openBarePostgres(lifecycle, await acquireFolder(lifecycle));
  return {
    installed: await bothOf('installed'),
    checkout: await bothOf('checkout'),
    bare: { first: await bare.first(), again: await bare.again() },
  };
}

function rowOf(what: string, program: Program, which: keyof Turn, turns: readonly Turns[]): Row {
  const ours = median(turns.map((turn) => turn[program][which]));
  const bare = median(turns.map((turn) => turn.bare[which]));
  const ratio = median(turns.map((turn) => turn[program][which] / turn.bare[which]));
  const goal = GOALS[which];
  return {
    what,
    measured: seconds(ours),
    ...(program === 'installed'
      ? { goal: `at most ${seconds(goal)}`, verdict: atMost(ours, goal) }
      : { goal: '', verdict: '' }),
    remark: `${ratio.toFixed(1)} times a bare Postgres (${seconds(bare)}); to the first 200 of /api/health, median of ${TURNS}`,
  };
}

function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

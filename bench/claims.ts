// Claims through HTTP compared with claims by pgbench: the same statement on the same database, in turns, each turn with new
// machines.
import { acquireGenerator, type Generator } from './load/generator.ts';
import { atLeast, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator, type Allocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder, type Folder } from './support/folder.ts';
import { hasPgbench, pgbenchClaims } from './support/pgbench.ts';

/** The size of the database pool of one process. */
const CONNECTIONS = 10;
const CLAIMS_PER_TURN = 500;
/** Without spare machines, a claim could be refused because another claim has locked the last free machine. */
const SPARE_VMS = 50;
const TURNS = 9;
/** No turn starts after this time, for slow computers. */
const TURNS_LIMIT_MS = 60_000;
const GOAL = 2.5;
const CHANNEL = 'vm_updates';

/** Claims per second. */
type Side = () => Promise<number>;
type Sides = { readonly pgbench: Side; readonly json: Side; readonly page: Side };
type Turn = { readonly [K in keyof Sides]: number };

export const claims: Measurement = {
  name: 'claims',
  about: 'claims through HTTP compared with claims by pgbench',
  limitSeconds: 100,
  run: async (bench) => {
    if (!hasPgbench()) {
      const remedy = "pgbench is missing: install Debian's package postgresql-15 or postgresql-contrib.";
      return [notMeasured('Claims through HTTP / by pgbench', remedy)];
    }
    const turns = await takeTurns(await openSides(bench), bench.say);
    return [rowOf('JSON', 'json', turns), rowOf('page', 'page', turns)];
  },
};

async function openSides({ lifecycle }: Bench): Promise<Sides> {
  const folder = await acquireFolder(lifecycle);
  const allocator = await acquireAllocator(lifecycle, folder);
  const database = await acquireDatabase(lifecycle, allocator.connectionString);
  const generator = await acquireGenerator(lifecycle);
  const overHttp = throughHttp(generator, allocator);
  return {
    pgbench: withFreshVms(database, () => byPgbench({ lifecycle }, folder, allocator)),
    json: withFreshVms(database, () => overHttp('application/json')),
    page: withFreshVms(database, () => overHttp('text/html')),
  };
}

/** Creates new machines for a side, and checks afterwards that it has assigned the expected number of them. */
function withFreshVms(database: Database, side: Side): Side {
  return async () => {
    await database.freshVms(CLAIMS_PER_TURN + SPARE_VMS);
    const perSecond = await side();
    const assigned = await database.assigned();
    if (assigned !== CLAIMS_PER_TURN)
      throw new Error(`${assigned} machines were assigned, not ${CLAIMS_PER_TURN}.`);
    return perSecond;
  };
}

function throughHttp(generator: Generator, { port }: Allocator) {
  return async (accept: 'text/html' | 'application/json'): Promise<number> => {
    const { seconds } = await generator.run('requestAtOnce', {
      port,
      connections: CONNECTIONS,
      requests: CLAIMS_PER_TURN,
      prefix: 'claim',
      accept,
    });
    return CLAIMS_PER_TURN / seconds;
  };
}

function byPgbench(
  { lifecycle }: Pick<Bench, 'lifecycle'>,
  folder: Folder,
  { connectionString }: Allocator,
): Promise<number> {
  return pgbenchClaims(lifecycle, {
    folder: folder.path,
    connectionString,
    channel: CHANNEL,
    connections: CONNECTIONS,
    claims: CLAIMS_PER_TURN,
  });
}

/** The first turn is a warm-up and is not counted. */
async function takeTurns({ pgbench, json, page }: Sides, say: Bench['say']): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  const startedMs = performance.now();
  for (let turn = 0; turn <= TURNS; turn++) {
    if (turns.length > 0 && performance.now() - startedMs > TURNS_LIMIT_MS) break;
    const taken = { pgbench: await pgbench(), json: await json(), page: await page() };
    say(
      `turn ${turn}: pgbench ${rate(taken.pgbench)}, JSON ${rate(taken.json)}, page ${rate(taken.page)} claims a second`,
    );
    if (turn > 0) turns.push(taken);
  }
  return turns;
}

function rowOf(name: string, side: 'json' | 'page', turns: readonly Turn[]): Row {
  const ratio = median(turns.map((turn) => turn[side] / turn.pgbench));
  const ours = median(turns.map((turn) => turn[side]));
  const theirs = median(turns.map((turn) => turn.pgbench));
  return {
    what: `Claims through HTTP (${name}) / by pgbench`,
    measured: ratio.toFixed(2),
    goal: `>= ${GOAL}`,
    verdict: atLeast(ratio, GOAL),
    remark: `${rate(ours)} / ${rate(theirs)} a second; ${CONNECTIONS} connections, median of ${turns.length} turns of ${CLAIMS_PER_TURN}`,
  };
}

function rate(perSecond: number): string {
  return perSecond.toFixed(0);
}

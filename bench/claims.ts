// Claims through HTTP compared with claims by pgbench: the same statement on the same database, in turns, each turn with new
// machines. pgbench runs it for one person at a time, one commit for each claim; the allocator runs it for a group.
import { acquireGenerator, type Generator } from './load/generator.ts';
import { atLeast, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { median } from './statistics.ts';
import { acquireAllocator, type Allocator } from './support/allocator.ts';
import { acquireDatabase, type Database } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';
import { hasPgbench, pgbenchClaims } from './support/pgbench.ts';

/**
 * Of HTTP, and of pgbench beside it: the embedded Postgres has 60, and commits with NOTIFY run one after another anyway. A commit on a
 * disk of a cloud takes a millisecond or more longer than on one inside the computer.
 */
const CROWDS = [
  { connections: 10, pgbench: 10, slowerMicroseconds: 0 },
  { connections: 10, pgbench: 10, slowerMicroseconds: 1_000 },
  { connections: 100, pgbench: 40, slowerMicroseconds: 0 },
] as const;
/** A multiple of all of these. */
const CLAIMS_PER_TURN = 600;
/** Without spare machines, a claim could be refused because another claim has locked the last free machine. */
const SPARE_VMS = 50;
const TURNS = 21;
/** Not counted: the server runs faster when it has served some thousand people. pgbench and Postgres are compiled. */
const WARM_UPS = 3;
/** No turn starts after this time, for slow computers. */
const TURNS_LIMIT_MS = 40_000;
const GOAL = 2.5;
const CHANNEL = 'vm_updates';

/** Claims per second. */
type Side = () => Promise<number>;
type Sides = { readonly pgbench: Side; readonly json: Side; readonly page: Side };
type Turn = { readonly [K in keyof Sides]: number };

export const claims: Measurement = {
  name: 'claims',
  about: 'claims through HTTP compared with claims by pgbench',
  limitSeconds: 240,
  run: async (bench) => {
    if (!hasPgbench()) {
      const remedy = "pgbench is missing: install Debian's package postgresql-15 or postgresql-contrib.";
      return [notMeasured('Claims through HTTP / by pgbench', remedy)];
    }
    const sidesOf = await openSides(bench);
    const rows: Row[] = [];
    for (const crowd of CROWDS) {
      const turns = await takeTurns(await sidesOf(crowd), bench.say);
      rows.push(rowOf('JSON', 'json', { turns, crowd }), rowOf('page', 'page', { turns, crowd }));
    }
    return rows;
  },
};

type Crowd = (typeof CROWDS)[number];

async function openSides({ lifecycle }: Bench): Promise<(crowd: Crowd) => Promise<Sides>> {
  const folder = await acquireFolder(lifecycle);
  const allocator = await acquireAllocator(lifecycle, folder);
  const database = await acquireDatabase(lifecycle, allocator.connectionString);
  const generator = await acquireGenerator(lifecycle);
  return async ({ connections, pgbench, slowerMicroseconds }) => {
    await database.delayCommits(slowerMicroseconds);
    const overHttp = throughHttp(generator, allocator, connections);
    const run = { folder: folder.path, channel: CHANNEL, connections: pgbench, claims: CLAIMS_PER_TURN };
    const { connectionString } = allocator;
    return {
      pgbench: withFreshVms(database, () => pgbenchClaims(lifecycle, { ...run, connectionString })),
      json: withFreshVms(database, () => overHttp('application/json')),
      page: withFreshVms(database, () => overHttp('text/html')),
    };
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

function throughHttp(generator: Generator, { port }: Allocator, connections: number) {
  return async (accept: 'text/html' | 'application/json'): Promise<number> => {
    const { seconds } = await generator.run('requestAtOnce', {
      port,
      connections,
      requests: CLAIMS_PER_TURN,
      prefix: 'claim',
      accept,
    });
    return CLAIMS_PER_TURN / seconds;
  };
}

async function takeTurns({ pgbench, json, page }: Sides, say: Bench['say']): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  const startedMs = performance.now();
  for (let turn = 1 - WARM_UPS; turn <= TURNS; turn++) {
    if (turns.length > 0 && performance.now() - startedMs > TURNS_LIMIT_MS) break;
    const taken = { pgbench: await pgbench(), json: await json(), page: await page() };
    say(
      `${turn > 0 ? `turn ${turn}` : 'warm-up'}: pgbench ${rate(taken.pgbench)}, JSON ${rate(taken.json)}, page ${rate(taken.page)} claims a second`,
    );
    if (turn > 0) turns.push(taken);
  }
  return turns;
}

function rowOf(
  name: string,
  side: 'json' | 'page',
  { turns, crowd }: { readonly turns: readonly Turn[]; readonly crowd: Crowd },
): Row {
  const slower =
    crowd.slowerMicroseconds === 0 ? '' : `, commits ${crowd.slowerMicroseconds / 1_000} ms slower`;
  const ratio = median(turns.map((turn) => turn[side] / turn.pgbench));
  const ours = median(turns.map((turn) => turn[side]));
  const theirs = median(turns.map((turn) => turn.pgbench));
  return {
    what: `Claims through HTTP (${name}, ${crowd.connections} connections${slower}) / by pgbench, a commit each`,
    measured: ratio.toFixed(2),
    goal: `>= ${GOAL}`,
    verdict: atLeast(ratio, GOAL),
    remark: `${rate(ours)} / ${rate(theirs)} a second; pgbench with ${crowd.pgbench} connections; median of ${turns.length} turns of ${CLAIMS_PER_TURN}`,
  };
}

function rate(perSecond: number): string {
  return perSecond.toFixed(0);
}

// The invariants on a model in one process: a share of the runs here, all of them by `make chaos-model`.
import { describe, expect, test } from 'vitest';
import { invariantNames } from '../invariants.ts';
import { runModel } from './run.ts';
import { listInvariants } from './waiting-statements.ts';
import { STATUS_ORDER, type Sabotage } from './world.ts';

/** Of 10,000; another share for every day, so that CI sees all of them. */
const RUNS = 200;
const SHARES = 50;
/** Seeds that broke an invariant once. */
const ONCE_BROKEN = [285, 475, 3276, 3632];
/** So many runs see what was broken on purpose. */
const SABOTAGED_RUNS = 100;

/** What is broken on purpose, and which invariant reports it. */
const sabotages: Readonly<Record<Sabotage, string>> = {
  'a claim takes a machine that somebody has': 'no machine has two people',
  'a claim forgets the machine that the e-mail has': 'no person has two machines',
  'a delivery is lost': 'every assignment is delivered',
  'no machine is found to be free': 'a machine is full for nobody while it is free',
  'a claim is rolled back after its answer': 'what a participant was told is what the database has',
  'log lines are stored twice': 'no log line is doubled',
  'log lines are dropped': 'no log line is lost',
  'leases never end': 'no machine waits',
  'a reset does not free the machine': 'every machine is free or assigned',
  'a newcomer passes those who wait': listInvariants.passed,
  'a machine is reserved twice': listInvariants.reserved,
  'an older status replaces a newer one': STATUS_ORDER,
  'the status of an earlier boot stays': 'every machine is free or assigned',
};

describe('the model', () => {
  test(`no invariant is broken in ${RUNS} runs`, { timeout: 240_000 }, async () => {
    const day = Math.floor(Date.now() / 86_400_000);
    const first = (day % SHARES) * RUNS;
    for (let seed = first; seed < first + RUNS; seed++) {
      const { broken, history } = await runModel(seed);
      expect({ seed, broken, ...(broken.length > 0 && { history }) }).toEqual({ seed, broken: [] });
    }
  });

  test.each(ONCE_BROKEN)('no invariant is broken with seed %i, which broke one once', async (seed) => {
    expect((await runModel(seed)).broken).toEqual([]);
  });

  test('a seed gives the same run twice', async () => {
    const [first, second] = [await runModel(7), await runModel(7)];
    expect(second).toEqual(first);
  });

  test.each(Object.entries(sabotages))(
    '%s: reported as "%s"',
    { timeout: 120_000 },
    async (sabotage, invariant) => {
      expect([...invariantNames, ...Object.values(listInvariants), STATUS_ORDER]).toContain(invariant);
      const reported = new Set<string>();
      for (let seed = 1; seed <= SABOTAGED_RUNS && !reported.has(invariant); seed++)
        for (const { invariant: name } of (await runModel(seed, sabotage as Sabotage)).broken)
          reported.add(name);
      expect([...reported]).toContain(invariant);
    },
  );
});

// One short run of the harness: real processes, real Postgres, real agents. `make chaos` runs more of them, and longer.
import { expect, test } from 'vitest';
import { runOnce } from './run.ts';
import { describeSchedule } from './schedule.ts';
import { openSession } from './session.ts';

const SEED = 16;
const WINDOW_MS = 4_000;

test('after a short run with faults, no invariant is broken', { timeout: 280_000 }, async () => {
  await using session = await openSession(2);
  const signal = AbortSignal.timeout(240_000);
  const { broken, schedule } = await runOnce(session, {
    seed: SEED,
    windowMs: WINDOW_MS,
    isDeep: false,
    signal,
  });
  expect(broken, describeSchedule(schedule)).toEqual([]);
});

import { describe, expect, test } from 'vitest';
import { createScheduleClock } from '../../src/schedule/clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const start = Date.parse('2027-03-28T08:00:00Z');

/** A database whose clock can be set, and time that passes. */
function startClock() {
  let [database, passed] = [start, 0];
  const clock = createScheduleClock({
    readDatabase: () => Promise.resolve(new Date(database)),
    passedMs: () => passed,
  });
  return {
    pass: (ms: number) => {
      database += ms;
      passed += ms;
    },
    jump: (ms: number) => void (database += ms),
    sinceStart: async () => (await clock.read()).getTime() - start,
    jumpMs: clock.jumpMs,
  };
}

describe('the time of the schedule', () => {
  test('is that of the database, also if it runs a little faster or slower than time passes', async () => {
    const clock = startClock();
    for (let step = 1; step <= 10; step += 1) {
      clock.pass(HOUR_MS);
      clock.jump(MINUTE_MS / 2);
      expect(await clock.sinceStart()).toBe(step * (HOUR_MS + MINUTE_MS / 2));
    }
    expect(clock.jumpMs()).toBe(0);
  });

  test('does not follow a clock that jumps forward, goes on, and is that of the database once it is back', async () => {
    const clock = startClock();
    await clock.sinceStart();
    clock.jump(10 * HOUR_MS);
    expect(await clock.sinceStart()).toBe(0);
    clock.pass(HOUR_MS);
    expect(await clock.sinceStart()).toBe(HOUR_MS);
    expect(clock.jumpMs()).toBe(10 * HOUR_MS);
    clock.jump(-10 * HOUR_MS);
    expect(await clock.sinceStart()).toBe(HOUR_MS);
    expect(clock.jumpMs()).toBe(0);
  });

  test('gains nothing from a clock that jumps back and forward again', async () => {
    const clock = startClock();
    await clock.sinceStart();
    clock.jump(-2 * HOUR_MS);
    expect(await clock.sinceStart()).toBe(-2 * HOUR_MS);
    clock.jump(4 * HOUR_MS);
    expect(await clock.sinceStart()).toBe(0);
  });
});

// The time of the schedule: the database's, as long as it goes on as fast as time passes. A clock that jumps starts nothing.

export type ScheduleClock = {
  /** What the schedule goes by. */
  readonly read: () => Promise<Date>;
  /** How far the database's clock has jumped forward, in milliseconds; 0 = it has not. */
  readonly jumpMs: () => number;
};

export type ClockSources = {
  readonly readDatabase: () => Promise<Date>;
  /** Milliseconds that have passed; goes on while the computer sleeps, and never jumps. */
  readonly passedMs: () => number;
};

/** Between two reads; clocks that are adjusted slowly do not differ by more. */
const TOLERANCE_MS = 60_000;

/**
 * After a jump forward, time goes on from where it was before; it is the database's again once that one is back, or once this
 * program has been started anew. After a jump back, it is the database's at once.
 */
export function createScheduleClock({ readDatabase, passedMs }: ClockSources): ScheduleClock {
  let known: { readonly at: number; readonly passed: number } | null = null;
  let jumpMs = 0;
  return {
    jumpMs: () => jumpMs,
    read: async () => {
      const database = (await readDatabase()).getTime();
      const passed = passedMs();
      const expected = known === null ? database : known.at + passed - known.passed;
      const ahead = database - expected;
      // Only a clock that goes on as expected is followed: one that jumps back and forth must not gain anything.
      if (Math.abs(ahead) <= TOLERANCE_MS) known = { at: database, passed };
      jumpMs = ahead > TOLERANCE_MS ? ahead : 0;
      return new Date(ahead > TOLERANCE_MS ? expected : database);
    },
  };
}

// Counts failures in windows of time, so that what people know cannot be tried out. Knows no password and no PIN.
import { Mutex } from 'async-mutex';
import { ipKeyGenerator, MemoryStore, rateLimit } from 'express-rate-limit';

/** What one client has of the addresses: of an IPv6 address its /56, which a home or a company usually gets. */
export const networkOf = (address: string): string => ipKeyGenerator(address);

type Failures = {
  /** How long a key has to wait, in seconds, where it has failed as often as the limit says; else 0. */
  readonly waitSeconds: (key: string, limit: number) => Promise<number>;
  /** Counts one more; says how many they are in this window. */
  readonly count: (key: string) => Promise<number>;
  /** What was counted was none. */
  readonly forgive: (key: string) => Promise<void>;
  /** Ends the timers. */
  readonly close: () => void;
};

/** @param windowMs begins with the first failure of a key */
export function createFailures(windowMs: number): Failures {
  const store = new MemoryStore();
  // This starts the store; the middleware would count every request.
  rateLimit({ windowMs, store, validate: false });
  // The store answers with its own record, which further failures change before it is read.
  const oneByOne = new Mutex();
  return {
    waitSeconds: async (key, limit) => {
      const seen = await store.get(key);
      if (seen === undefined || seen.totalHits < limit) return 0;
      const waitMs = (seen.resetTime?.getTime() ?? Date.now() + windowMs) - Date.now();
      return Math.max(1, Math.ceil(waitMs / 1_000));
    },
    count: (key) => oneByOne.runExclusive(async () => (await store.increment(key)).totalHits),
    forgive: (key) => store.decrement(key),
    close: () => store.shutdown(),
  };
}

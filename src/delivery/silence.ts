// Detects VMs that have stopped responding. After a start of the server, an outage of its database, a sleep of its computer
// or a jump of the database's clock, the time since a report says nothing, so every VM gets the full time again.
import type { Db } from '../db/connect.ts';
import { checkDatabase } from '../db/health.ts';
import { markSilent, readDatabaseClock, recordRefused } from '../db/silence.ts';

export type SilenceOptions = {
  readonly db: Db;
  /** A VM that has not responded for this long becomes `unreachable`. */
  readonly silentMs: number;
  readonly intervalMs?: number;
  /** Milliseconds of the wall clock: the monotonic clock stops while a computer sleeps. */
  readonly now: () => number;
  /** Milliseconds of the clock by which reports are dated: the database's. */
  readonly databaseNow?: () => Promise<number>;
  readonly onSilent: (hostnames: readonly string[]) => void;
  readonly onError: (error: unknown, doing: string) => void;
};

export type SilenceWatch = {
  /** Checks once; a timer does this too. */
  readonly check: () => Promise<void>;
  /** A heartbeat of this VM was refused because there were too many requests. `isProven`: it came with the VM's token. */
  readonly heard: (hostname: string, isProven: boolean) => void;
  readonly close: () => Promise<void>;
};

const INTERVAL_MS = 15_000;
/** If more than this many intervals have passed since the last check, the computer was asleep. */
const LATE_INTERVALS = 3;
/** Names come from requests that were refused: more than this between two checks are forgotten. */
const REFUSED_MAX = 10_000;

export function watchSilence(options: SilenceOptions): SilenceWatch {
  const { db, silentMs, now, onSilent, onError } = options;
  const { intervalMs = INTERVAL_MS, databaseNow = () => readDatabaseClock(db) } = options;
  let listeningSince = now();
  let checkedAt = listeningSince;
  let databaseCheckedAt: number | null = null;
  let checking: Promise<void> = Promise.resolve();

  const refused = new Map<string, boolean>();
  const hasJumped = (gapMs: number): boolean => gapMs < 0 || gapMs > intervalMs * LATE_INTERVALS;

  async function checkOnce(): Promise<void> {
    const at = now();
    const gapMs = at - checkedAt;
    checkedAt = at;
    if (hasJumped(gapMs)) listeningSince = at;
    try {
      const databaseAt = await databaseNow();
      if (databaseCheckedAt !== null && hasJumped(databaseAt - databaseCheckedAt)) listeningSince = at;
      databaseCheckedAt = databaseAt;
      if (refused.size > 0) await recordRefused(db, takeAll(refused));
      if (at - listeningSince < silentMs) {
        if ((await checkDatabase(db)) !== null) listeningSince = now();
        return;
      }
      const hostnames = await markSilent(db, silentMs / 1_000);
      if (hostnames.length > 0) onSilent(hostnames);
    } catch (error) {
      listeningSince = now();
      onError(error, 'looking for silent VMs');
    }
  }

  const check = (): Promise<void> => {
    checking = checking.then(checkOnce);
    return checking;
  };
  const timer = setInterval(() => void check(), intervalMs);
  return {
    check,
    heard: (hostname, isProven) => {
      if (refused.size < REFUSED_MAX || refused.has(hostname))
        refused.set(hostname, isProven || refused.get(hostname) === true);
    },
    close: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}

function takeAll(refused: Map<string, boolean>) {
  const entries = [...refused];
  refused.clear();
  const named = (isProven: boolean) =>
    entries.flatMap(([name, proven]) => (proven === isProven ? [name] : []));
  return { proven: named(true), unproven: named(false) };
}

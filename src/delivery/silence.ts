// Watches for machines of which nothing is heard any more. Whoever was deaf must not call others silent: after the
// server's start, an outage of its database or a sleep of its computer, machines have all of the time again.
import type { Db } from '../db/connect.ts';
import { checkDatabase } from '../db/health.ts';
import { markSilent } from '../db/silence.ts';

export type SilenceOptions = {
  readonly db: Db;
  /** A machine that was not heard of for so long is unreachable. */
  readonly silentMs: number;
  readonly intervalMs?: number;
  /** Milliseconds of the clock on the wall: the monotonic one stands still while a computer sleeps. */
  readonly now: () => number;
  readonly onSilent: (hostnames: readonly string[]) => void;
  readonly onError: (error: unknown, doing: string) => void;
};

export type SilenceWatch = {
  /** Looks once; the timer does so by itself. */
  readonly look: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const INTERVAL_MS = 15_000;
/** A look that is later than this many intervals means that the server did not hear anything meanwhile. */
const LATE_INTERVALS = 3;

export function watchSilence(options: SilenceOptions): SilenceWatch {
  const { db, silentMs, now, onSilent, onError } = options;
  const intervalMs = options.intervalMs ?? INTERVAL_MS;
  let hearingSince = now();
  let lookedAt = hearingSince;
  let looking: Promise<void> = Promise.resolve();

  async function lookOnce(): Promise<void> {
    const at = now();
    const gapMs = at - lookedAt;
    lookedAt = at;
    if (gapMs < 0 || gapMs > intervalMs * LATE_INTERVALS) hearingSince = at;
    try {
      if (at - hearingSince < silentMs) {
        if ((await checkDatabase(db)) !== null) hearingSince = now();
        return;
      }
      const hostnames = await markSilent(db, silentMs / 1_000);
      if (hostnames.length > 0) onSilent(hostnames);
    } catch (error) {
      hearingSince = now();
      onError(error, 'looking for silent machines');
    }
  }

  const look = (): Promise<void> => {
    looking = looking.then(lookOnce);
    return looking;
  };
  const timer = setInterval(() => void look(), intervalMs);
  return {
    look,
    close: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

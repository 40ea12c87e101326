// Notes how many machines are in which state, on a timer, so that a picture can tell how it came to be. Forgets what is
// too old, now and then.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { pruneHistory, sampleStates } from '../db/history.ts';

export type SamplerOptions = {
  readonly db: Db;
  readonly onError: (error: unknown, doing: string) => void;
  readonly intervals?: Partial<SamplerIntervals>;
};

export type SamplerIntervals = {
  readonly sampleMs: number;
  readonly pruneMs: number;
  readonly keepMs: number;
};

export type Sampler = {
  /** Resolves when nothing of it runs any more. */
  readonly close: () => Promise<void>;
};

const DAY_MS = 86_400_000;
const defaults: SamplerIntervals = { sampleMs: 5_000, pruneMs: 3_600_000, keepMs: 7 * DAY_MS };

/** Samples until it is closed. A sample that fails is told, and taken at the next turn. */
export function startSampler({ db, onError, intervals }: SamplerOptions): Sampler {
  const { sampleMs, pruneMs, keepMs } = { ...defaults, ...intervals };
  const turnsBetween = Math.max(1, Math.round(pruneMs / sampleMs));
  const ending = new AbortController();

  async function sampleOn(): Promise<void> {
    for (let turn = 0; await isTime(); turn += 1) {
      try {
        await sampleStates(db);
        if (turn % turnsBetween === 0) await pruneHistory(db, keepMs);
      } catch (error) {
        onError(error, 'counting the machines for the pictures');
      }
    }
  }
  const isTime = (): Promise<boolean> => delay(sampleMs, true, { signal: ending.signal }).catch(() => false);

  const ended = sampleOn();
  return {
    close: () => {
      ending.abort();
      return ended;
    },
  };
}

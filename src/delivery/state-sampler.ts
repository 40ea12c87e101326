// Records the number of VMs by state on a timer, for the charts, and deletes old samples.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { pruneHistory, sampleStates } from '../db/history.ts';

export type SamplerOptions = {
  readonly db: Db;
  readonly onError: (error: unknown, doing: string) => void;
  readonly intervals?: Partial<SamplerIntervals>;
};

type SamplerIntervals = {
  readonly sampleMs: number;
  readonly pruneMs: number;
  readonly keepMs: number;
};

export type Sampler = {
  /** Resolves when the last sample has been written. */
  readonly close: () => Promise<void>;
};

const DAY_MS = 86_400_000;
const defaults: SamplerIntervals = { sampleMs: 5_000, pruneMs: 3_600_000, keepMs: 7 * DAY_MS };

/** Samples until it is closed. An error is reported, and the next sample is taken in time. */
export function startSampler({ db, onError, intervals }: SamplerOptions): Sampler {
  const { sampleMs, pruneMs, keepMs } = { ...defaults, ...intervals };
  const samplesPerPrune = Math.max(1, Math.round(pruneMs / sampleMs));
  const ending = new AbortController();

  async function run(): Promise<void> {
    for (let count = 0; await isTime(); count += 1) {
      try {
        await sampleStates(db);
        if (count % samplesPerPrune === 0) await pruneHistory(db, keepMs);
      } catch (error) {
        onError(error, 'recording the number of VMs for the charts');
      }
    }
  }
  const isTime = (): Promise<boolean> => delay(sampleMs, true, { signal: ending.signal }).catch(() => false);

  const ended = run();
  return {
    close: () => {
      ending.abort();
      return ended;
    },
  };
}

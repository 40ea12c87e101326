// Reserves VMs for the waiting list on a timer. Each allocator has one; whichever is first does what there is to do, and the others
// find nothing left. A VM becomes free by a report of its agent, on which nothing is notified: the rows are the truth, and are read.
import { sleep } from '../async/abort.ts';
import type { Db } from '../db/connect.ts';
import { forgetPlaces, isListInUse, reserveVms, type Sweep } from '../db/reservations.ts';

export type ReserverOptions = {
  readonly db: Db;
  /** Whether VMs can be claimed now, and until when. */
  readonly readSweep: () => Promise<Sweep>;
  readonly onError: (error: unknown, doing: string) => void;
  readonly intervals?: Partial<ReserverIntervals>;
};

type ReserverIntervals = {
  /** While somebody is on the list: no free VM stands beside a waiting person for longer than a second. */
  readonly busyMs: number;
  /** While nobody is: another allocator may have added somebody. */
  readonly idleMs: number;
  readonly forgetMs: number;
};

export type Reserver = {
  /** Reserves what is free now; somebody has joined or left the list. */
  readonly sweep: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const defaults: ReserverIntervals = { busyMs: 250, idleMs: 500, forgetMs: 600_000 };

/** Runs until it is closed. An error is reported, and the next sweep comes in time. */
export function startReserver({ db, readSweep, onError, intervals }: ReserverOptions): Reserver {
  const { busyMs, idleMs, forgetMs } = { ...defaults, ...intervals };
  const ending = new AbortController();
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let forgottenAt = performance.now();

  async function sweepOnce(): Promise<void> {
    await reserveVms(db, await readSweep());
  }

  /** Those who ask while a sweep runs share the one after it, which sees what they have written. */
  function sweep(): Promise<void> {
    if (running === null) return (running = sweepOnce().finally(() => (running = null)));
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return sweep();
      });
    return next;
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      let inUse = false;
      try {
        inUse = await isListInUse(db);
        if (inUse) await reserveVms(db, await readSweep());
        if (performance.now() - forgottenAt > forgetMs) {
          forgottenAt = performance.now();
          await forgetPlaces(db);
        }
      } catch (error) {
        onError(error, 'reserving machines for the waiting list');
      }
      await sleep(inUse ? busyMs : idleMs, ending.signal);
    }
  }

  const ended = run();
  return {
    sweep,
    close: async () => {
      ending.abort();
      await ended;
      await Promise.allSettled([running, next]);
    },
  };
}

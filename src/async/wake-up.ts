// A pause that somebody else can end.
import { sleep } from './abort.ts';

export type WakeUp = {
  /** Ends the pause that is going on; if there is none, the next one ends at once. */
  readonly wake: () => void;
  /** Resolves after `ms` milliseconds, on `wake`, or when the signal is aborted. Only one pause at a time. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
};

export function createWakeUp(): WakeUp {
  let woken = new AbortController();
  return {
    wake: () => woken.abort(),
    pause: async (ms, signal) => {
      await sleep(ms, AbortSignal.any([woken.signal, signal]));
      if (woken.signal.aborted) woken = new AbortController();
    },
  };
}

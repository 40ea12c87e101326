// Small ways to wait for each other within the agent: one after the other, until something happens, until it stops.
import type { AgentClock } from './options.ts';

/** Runs tasks one after the other, in the order in which they came. */
export type Turns = <T>(task: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const mine = last.then(task);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** Asked anew each time: the compiler takes a property that it has seen for one that stays. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

export type Bell = {
  /** Ends the wait that is going on, or the next one. */
  ring(): void;
  /** Resolves after `ms`, on the bell, or when the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
};

export function createBell(clock: AgentClock): Bell {
  let rung = new AbortController();
  return {
    ring: () => rung.abort(),
    async wait(ms, signal) {
      await clock.sleep(ms, AbortSignal.any([rung.signal, signal]));
      if (rung.signal.aborted) rung = new AbortController();
    },
  };
}

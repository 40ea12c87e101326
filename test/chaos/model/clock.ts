// Time as the model has it: it passes only when nothing else happens, and the timers of Node, its clock and its random numbers
// are the model's while it runs. So a seed gives the same run on every computer, and an hour takes milliseconds.
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import timersPromises from 'node:timers/promises';

type Timer = { readonly id: number; at: number; readonly everyMs: number | null; readonly run: () => void };

export type Clock = Disposable & {
  /** Milliseconds. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Lets time pass until then, or until the condition, which is looked at after each timer. */
  readonly runUntil: (atMs: number, isOver?: () => boolean) => Promise<void>;
  /** How many timers wait. */
  readonly timers: () => number;
};

const STARTED_MS = Date.UTC(2026, 0, 31, 9);
const realImmediate = setImmediate;

/** @param random numbers from 0 to 1, for Math.random */
export function installClock(random: () => number): Clock {
  const timers = new Map<number, Timer>();
  let now = STARTED_MS;
  let ids = 0;
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    random: Math.random,
    now: Date.now,
    uptime: os.uptime,
    promised: timersPromises.setTimeout,
  };

  function add(ms: number, everyMs: number | null, run: () => void): Timer {
    const timer = { id: ++ids, at: now + Math.max(0, ms), everyMs, run };
    timers.set(timer.id, timer);
    return timer;
  }
  const remove = (timer: unknown): void => {
    if (typeof timer === 'object' && timer !== null && 'id' in timer) timers.delete(Number(timer.id));
  };
  const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        remove(timer);
        reject(new Error('aborted'));
      };
      const timer = add(ms, null, () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      });
      if (signal?.aborted === true) leave();
      else signal?.addEventListener('abort', leave, { once: true });
    });

  function first(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of timers.values())
      if (!next || timer.at < next.at || (timer.at === next.at && timer.id < next.id)) next = timer;
    return next;
  }

  function fire(timer: Timer): void {
    now = timer.at;
    if (timer.everyMs === null) timers.delete(timer.id);
    else timer.at += timer.everyMs;
    timer.run();
  }

  Object.assign(globalThis, {
    setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      add(ms, null, () => run(...args)),
    setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      add(ms, ms, () => run(...args)),
    clearTimeout: remove,
    clearInterval: remove,
  });
  Math.random = random;
  Date.now = () => now;
  os.uptime = () => (now - STARTED_MS) / 1_000;
  Object.assign(timersPromises, {
    setTimeout: async (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) => {
      await sleep(ms, signal);
      return value;
    },
  });
  syncBuiltinESMExports();

  return {
    now: () => now,
    sleep,
    timers: () => timers.size,
    runUntil: async (atMs, isOver = () => false) => {
      for (;;) {
        // Everything that does not wait for time: promises.
        await new Promise((resolve) => realImmediate(resolve));
        if (isOver()) return;
        const timer = first();
        if (!timer || timer.at > atMs) break;
        fire(timer);
      }
      now = Math.max(now, atMs);
    },
    [Symbol.dispose]: () => {
      const { random: realRandom, now: realNow, uptime, promised, ...globals } = real;
      Object.assign(globalThis, globals);
      Math.random = realRandom;
      Date.now = realNow;
      os.uptime = uptime;
      Object.assign(timersPromises, { setTimeout: promised });
      syncBuiltinESMExports();
    },
  };
}

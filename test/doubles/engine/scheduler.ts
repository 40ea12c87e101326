// How many steps run at once, and in which order. The order of the real engine is random; that of the double comes from a
// seed.

/** The concurrency of the real engine on two cores. */
export const LIMIT = 8;

export type Scheduler = {
  readonly add: (task: () => Promise<void>) => void;
  /** Forgets what has not begun; takes no more. */
  readonly drop: () => void;
  /** Resolves when nothing runs and nothing waits. */
  readonly idle: () => Promise<void>;
};

/** Numbers of [0, 1), the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function createScheduler(random: () => number, limit = LIMIT): Scheduler {
  const waiting: (() => Promise<void>)[] = [];
  let idlers: (() => void)[] = [];
  let running = 0;
  let open = true;

  function pump(): void {
    while (running < limit && waiting.length > 0) {
      const [task] = waiting.splice(Math.floor(random() * waiting.length), 1);
      if (!task) break;
      running += 1;
      void task().finally(() => {
        running -= 1;
        pump();
      });
    }
    if (running > 0 || waiting.length > 0) return;
    for (const idler of idlers) idler();
    idlers = [];
  }

  return {
    add: (task) => {
      if (!open) return;
      waiting.push(task);
      // Those that come together are drawn from together.
      setImmediate(pump);
    },
    drop: () => {
      open = false;
      waiting.length = 0;
      setImmediate(pump);
    },
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        setImmediate(pump);
      }),
  };
}

// Limits how many steps run at once and decides their order. The order of the real engine is random; here it depends on a seed.

/** The number of concurrent steps of the real engine on two cores. */
export const LIMIT = 8;

export type Scheduler = {
  readonly add: (task: () => Promise<void>) => void;
  /** Discards the tasks that have not started, and all later ones. */
  readonly drop: () => void;
  /** Resolves when no task is running or waiting. */
  readonly idle: () => Promise<void>;
};

/** Random numbers in [0, 1): the same sequence for the same seed (mulberry32). */
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
  let idleWaiters: (() => void)[] = [];
  let running = 0;
  let open = true;

  function startTasks(): void {
    while (running < limit && waiting.length > 0) {
      const [task] = waiting.splice(Math.floor(random() * waiting.length), 1);
      if (!task) break;
      running += 1;
      void task().finally(() => {
        running -= 1;
        startTasks();
      });
    }
    if (running > 0 || waiting.length > 0) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters = [];
  }

  return {
    add: (task) => {
      if (!open) return;
      waiting.push(task);
      // Start tasks later, so that the random order covers all tasks that are added together.
      setImmediate(startTasks);
    },
    drop: () => {
      open = false;
      waiting.length = 0;
      setImmediate(startTasks);
    },
    idle: () =>
      new Promise((resolve) => {
        idleWaiters.push(resolve);
        setImmediate(startTasks);
      }),
  };
}

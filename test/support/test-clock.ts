// A clock of our own for what sleeps: it stands still until a test sets it forward.

/** A time of our own: whoever sleeps is woken when it has come. */
export function createTestClock() {
  let nowMs = Date.now() + 60_000;
  let sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  return {
    now: () => Promise.resolve(new Date(nowMs)),
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        const leave = (): void => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          resolve();
        };
        signal.addEventListener('abort', leave, { once: true });
        sleepers.push(sleeper);
      }),
    sleeping: () => sleepers.length,
    advance: (ms: number) => {
      nowMs += ms;
      const woken = sleepers.filter(({ atMs }) => atMs <= nowMs);
      sleepers = sleepers.filter(({ atMs }) => atMs > nowMs);
      for (const { wake } of woken) wake();
    },
  };
}

export type TestClock = ReturnType<typeof createTestClock>;

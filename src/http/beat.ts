// One timer for everybody who is to be kept alive at the same interval. All have the same interval, so that the order
// of joining is the order of being due. Knows no response.

export type Beat = {
  /** Calls `beat` after every interval from now on, until the function that it returns is called. */
  readonly join: (beat: () => void) => () => void;
  readonly size: () => number;
  readonly close: () => void;
};

/** Those due within this part of the interval are served together. */
const TOGETHER = 1 / 40;

export function createBeat(intervalMs: number, nowMs: () => number): Beat {
  const dueMs = new Map<() => void, number>();
  let timer: NodeJS.Timeout | null = null;

  function arm(): void {
    const [first] = dueMs.values();
    if (timer !== null || first === undefined) return;
    timer = setTimeout(tick, Math.max(first - nowMs(), 0) + intervalMs * TOGETHER);
    timer.unref();
  }

  function tick(): void {
    timer = null;
    const now = nowMs();
    for (const [beat, due] of dueMs) {
      if (due > now) break;
      // Set again, it stands at the end of the order.
      dueMs.delete(beat);
      dueMs.set(beat, now + intervalMs);
      beat();
    }
    arm();
  }

  return {
    join: (beat) => {
      dueMs.set(beat, nowMs() + intervalMs);
      arm();
      return () => {
        dueMs.delete(beat);
      };
    },
    size: () => dueMs.size,
    close: () => {
      if (timer !== null) clearTimeout(timer);
      dueMs.clear();
    },
  };
}

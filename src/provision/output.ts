// The output of a run, on its way to the database: in order, in batches, bounded. What cannot be stored now is kept
// and tried again; what is left at the end is handed to whoever ends the operation.
import type { NewOperationEvent } from '../db/operation-events.ts';
import type { ProvisionEvent } from './provider.ts';

export type OutputOptions = {
  readonly store: (events: readonly NewOperationEvent[]) => Promise<void>;
  readonly flushMs: number;
  readonly now: () => Date;
  readonly onError: (error: unknown, doing: string) => void;
};

export type Output = {
  readonly write: (event: ProvisionEvent) => void;
  /** Stores nothing more by itself; returns what is not stored yet, in order. */
  readonly drain: () => Promise<readonly NewOperationEvent[]>;
};

/** An operation tells at most this much; the rest is not kept, which is said. */
const EVENTS_PER_OPERATION = 20_000;
/** Of one statement. */
const BATCH_EVENTS = 500;

export function createOutput({ store, flushMs, now, onError }: OutputOptions): Output {
  const pending: NewOperationEvent[] = [];
  let written = 0;
  let timer: NodeJS.Timeout | undefined;
  let storedAtMs = -Infinity;
  let storing: Promise<void> | null = null;
  let draining = false;

  async function storePending(): Promise<void> {
    while (pending.length > 0 && !draining) {
      const batch = pending.slice(0, BATCH_EVENTS);
      await store(batch);
      pending.splice(0, batch.length);
    }
  }

  function flushLater(): void {
    if (draining || timer !== undefined || storing !== null) return;
    // What comes after a silence is stored at once, what follows in batches.
    const waitMs = Math.max(0, storedAtMs + flushMs - performance.now());
    timer = setTimeout(() => {
      timer = undefined;
      storedAtMs = performance.now();
      storing = storePending()
        .catch((error: unknown) => onError(error, 'storing the output of an operation'))
        .finally(() => {
          storing = null;
          if (pending.length > 0) flushLater();
        });
    }, waitMs);
  }

  return {
    write: ({ level, hostname, text }) => {
      written += 1;
      if (written > EVENTS_PER_OPERATION) return;
      const last = written === EVENTS_PER_OPERATION;
      pending.push({
        at: now(),
        level: last ? 'warning' : level,
        hostname: last ? null : (hostname ?? null),
        text: last ? 'There is more output than is kept; the rest is left out.' : text,
      });
      flushLater();
    },
    drain: async () => {
      draining = true;
      clearTimeout(timer);
      await storing;
      return [...pending];
    },
  };
}

// The output of a run, on its way to the database: in order, in batches, limited. Lines that cannot be stored now are tried
// again; lines that are left at the end are stored with the end of the operation.
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
  /** Stops storing; returns the lines that are not stored yet, in order. */
  readonly drain: () => Promise<readonly NewOperationEvent[]>;
};

/** Further lines of one operation are dropped; the last line is a note about that. */
const EVENTS_PER_OPERATION = 20_000;
const EVENTS_PER_STATEMENT = 500;

export function createOutput({ store, flushMs, now, onError }: OutputOptions): Output {
  const pending: NewOperationEvent[] = [];
  let written = 0;
  let timer: NodeJS.Timeout | undefined;
  let storedAtMs = -Infinity;
  let storing: Promise<void> | null = null;
  let draining = false;

  async function storePending(): Promise<void> {
    while (pending.length > 0 && !draining) {
      const batch = pending.slice(0, EVENTS_PER_STATEMENT);
      await store(batch);
      pending.splice(0, batch.length);
    }
  }

  function flushLater(): void {
    if (draining || timer !== undefined || storing !== null) return;
    // The first line after a pause is stored at once, the next ones in batches.
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
      const isLast = written === EVENTS_PER_OPERATION;
      pending.push({
        at: now(),
        level: isLast ? 'warning' : level,
        hostname: isLast ? null : (hostname ?? null),
        text: isLast ? 'The output is too long; further lines are not stored.' : text,
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

// What all viewers of machines share: the machines as they were read last, read again and again while it is open.
// Revisions are not committed in their order: every read looks back over the overlap, and now and then over everything.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { readVmRevisions } from '../db/vm-changes.ts';
import { findVms, type VmRecord } from '../db/vms.ts';

export type VmSourceOptions = {
  readonly db: Db;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  readonly onError: (error: unknown, doing: string) => void;
};

export type VmFeedIntervals = {
  readonly readMs: number;
  /** Longer than any transaction of ours is open. */
  readonly overlapMs: number;
  /** Everything is read again after this long, should a transaction have been open for longer all the same. */
  readonly rereadMs: number;
};

export type KnownVm = { readonly revision: number; readonly record: VmRecord };

export type VmSource = {
  readonly known: ReadonlyMap<string, KnownVm>;
  /** Resolves when it was read for the first time. */
  readonly ready: Promise<unknown>;
  /** Every change up to this revision is known for certain. */
  readonly cursor: () => number;
  /** Resolves at the next change. */
  readonly next: () => Promise<unknown>;
  readonly close: () => void;
};

const EVERYTHING = -1;

/** Reads until it is closed. A read that fails is told, and tried again. */
export function openVmSource(options: VmSourceOptions, intervals: VmFeedIntervals): VmSource {
  const { nowMs, onError } = options;
  const known = new Map<string, KnownVm>();
  const horizon = createHorizon(intervals.overlapMs);
  const ending = new AbortController();
  const ready = Promise.withResolvers<unknown>();
  let next = Promise.withResolvers<unknown>();
  let readAllAt = Number.NEGATIVE_INFINITY;

  async function read(): Promise<boolean> {
    const now = nowMs();
    const all = now - readAllAt >= intervals.rereadMs;
    if (all) readAllAt = now;
    const outcome = await readInto(known, options.db, all ? EVERYTHING : horizon.certain());
    horizon.passed(now, outcome.highest);
    // Something is gone: only a look at everything tells what.
    if (outcome.isComplete) return outcome.isChanged;
    return (await readInto(known, options.db, EVERYTHING)).isChanged || outcome.isChanged;
  }

  async function readOn(): Promise<void> {
    do {
      try {
        if (await read()) {
          next.resolve(null);
          next = Promise.withResolvers<unknown>();
        }
        ready.resolve(null);
      } catch (error) {
        onError(error, 'reading what changed among the machines');
      }
    } while (await delay(intervals.readMs, true, { signal: ending.signal }).catch(() => false));
  }

  void readOn();
  return {
    known,
    ready: ready.promise,
    cursor: horizon.certain,
    next: () => next.promise,
    close: () => ending.abort(),
  };
}

type ReadOutcome = {
  readonly isChanged: boolean;
  /** What is known is what there is. */
  readonly isComplete: boolean;
  readonly highest: number;
};

async function readInto(known: Map<string, KnownVm>, db: Db, after: number): Promise<ReadOutcome> {
  const { changed, total } = await readVmRevisions(db, after);
  const revisions = new Map(changed.map(({ hostname, revision }) => [hostname, revision]));
  const news = changed.filter(({ hostname, revision }) => known.get(hostname)?.revision !== revision);
  const records = await findVms(
    db,
    news.map(({ hostname }) => hostname),
  );
  for (const record of records)
    known.set(record.hostname, { record, revision: revisions.get(record.hostname) ?? 0 });
  const gone = after === EVERYTHING ? [...known.keys()].filter((hostname) => !revisions.has(hostname)) : [];
  for (const hostname of gone) known.delete(hostname);
  return {
    isChanged: records.length > 0 || gone.length > 0,
    isComplete: known.size === total || after === EVERYTHING,
    highest: changed.reduce((highest, { revision }) => Math.max(highest, revision), 0),
  };
}

/** A revision is certain when a read that began an overlap after it was seen has looked behind it once more. */
function createHorizon(overlapMs: number) {
  const marks: { readonly at: number; readonly highest: number }[] = [];
  let certain = 0;
  let highestSeen = 0;
  return {
    certain: () => certain,
    passed: (startedAt: number, highest: number): void => {
      for (let mark = marks[0]; mark && mark.at <= startedAt - overlapMs; mark = marks[0]) {
        certain = mark.highest;
        marks.shift();
      }
      if (highest <= highestSeen && marks.length > 0) return;
      highestSeen = Math.max(highestSeen, highest);
      marks.push({ at: startedAt, highest: highestSeen });
    },
  };
}

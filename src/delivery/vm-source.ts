// The VMs as last read, shared by all viewers and read again and again while it is open. Revisions are not committed in
// order, so every read goes back over an overlap, and sometimes over all rows.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { readVmRevisions } from '../db/vm-changes.ts';
import { findVms, type VmRecord } from '../db/vms.ts';

export type VmSourceOptions = {
  readonly db: Db;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
  readonly onError: (error: unknown, doing: string) => void;
};

export type VmFeedIntervals = {
  readonly readMs: number;
  /** Longer than our longest transaction. */
  readonly overlapMs: number;
  /** All rows are read this often, in case a transaction did take longer. */
  readonly rereadMs: number;
};

type KnownVm = { readonly revision: number; readonly record: VmRecord };

export type VmSource = {
  readonly known: ReadonlyMap<string, KnownVm>;
  /** Resolves after the first read. */
  readonly ready: Promise<unknown>;
  /** All changes up to this revision are known. */
  readonly cursor: () => number;
  /** Resolves at the next change. */
  readonly next: () => Promise<unknown>;
  readonly close: () => void;
};

const EVERYTHING = -1;

/** Reads until it is closed. An error is reported, and the read is repeated. */
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
    // A VM was removed; only reading all rows shows which.
    if (outcome.isComplete) return outcome.isChanged;
    return (await readInto(known, options.db, EVERYTHING)).isChanged || outcome.isChanged;
  }

  async function run(): Promise<void> {
    do {
      try {
        if (await read()) {
          next.resolve(null);
          next = Promise.withResolvers<unknown>();
        }
        ready.resolve(null);
      } catch (error) {
        onError(error, 'reading the changes of VMs');
      }
    } while (await delay(intervals.readMs, true, { signal: ending.signal }).catch(() => false));
  }

  void run();
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
  /** Every VM is known, and no other. */
  readonly isComplete: boolean;
  readonly highest: number;
};

async function readInto(known: Map<string, KnownVm>, db: Db, after: number): Promise<ReadOutcome> {
  const { changed, total } = await readVmRevisions(db, after);
  const revisions = new Map(changed.map(({ hostname, revision }) => [hostname, revision]));
  const newer = changed.filter(({ hostname, revision }) => known.get(hostname)?.revision !== revision);
  const records = await findVms(
    db,
    newer.map(({ hostname }) => hostname),
  );
  for (const record of records)
    known.set(record.hostname, { record, revision: revisions.get(record.hostname) ?? 0 });
  const removed =
    after === EVERYTHING ? [...known.keys()].filter((hostname) => !revisions.has(hostname)) : [];
  for (const hostname of removed) known.delete(hostname);
  return {
    isChanged: records.length > 0 || removed.length > 0,
    isComplete: known.size === total || after === EVERYTHING,
    highest: changed.reduce((highest, { revision }) => Math.max(highest, revision), 0),
  };
}

/** A revision is certain once a read that began a full overlap after it was first seen has ended. */
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

// The change feed of machines, without NOTIFY: while anybody looks, the rows that changed are read, once for all, and
// every viewer is told what is news to them.
import { untilAborted } from '../async/abort.ts';
import type { VmRecord } from '../db/vms.ts';
import { openVmSource, type VmFeedIntervals, type VmSource, type VmSourceOptions } from './vm-source.ts';

export type VmFeedOptions = VmSourceOptions & { readonly intervals?: Partial<VmFeedIntervals> };

export type VmChange = {
  /** Where a viewer who comes back goes on; see `follow`. */
  readonly cursor: number;
  /** All hostnames, in the first change of a viewer. */
  readonly all: readonly string[] | null;
  readonly changed: readonly VmRecord[];
  readonly gone: readonly string[];
};

export type VmFeed = {
  /**
   * What there is, or what changed since `after` (a cursor; null = everything), and then what changes, until the signal
   * is aborted. A slow viewer gets several changes as one.
   */
  readonly follow: (after: number | null, signal: AbortSignal) => AsyncIterable<VmChange>;
  readonly viewers: () => number;
};

const defaults: VmFeedIntervals = { readMs: 500, overlapMs: 20_000, rereadMs: 30_000 };

export function createVmFeed(options: VmFeedOptions): VmFeed {
  const intervals = { ...defaults, ...options.intervals };
  let viewers = 0;
  let source: VmSource | null = null;

  async function* follow(after: number | null, signal: AbortSignal): AsyncGenerator<VmChange, void> {
    if (signal.aborted) return;
    const opened = source ?? openVmSource(options, intervals);
    source = opened;
    viewers += 1;
    try {
      yield* view(opened, after, signal);
    } finally {
      viewers -= 1;
      if (viewers === 0) {
        opened.close();
        source = null;
      }
    }
  }

  return { follow, viewers: () => viewers };
}

async function* view(
  source: VmSource,
  after: number | null,
  signal: AbortSignal,
): AsyncGenerator<VmChange, void> {
  const sent = new Map<string, number>();
  await untilAborted(source.ready, signal);
  if (after !== null)
    for (const [hostname, { revision }] of source.known) if (revision <= after) sent.set(hostname, revision);
  let isFirst = true;
  while (!signal.aborted) {
    // Asked for before it is looked: what changes meanwhile is not missed.
    const next = source.next();
    const change = news(source, sent, isFirst);
    if (isFirst || change.changed.length > 0 || change.gone.length > 0) yield change;
    isFirst = false;
    await untilAborted(next, signal);
  }
}

/** What a viewer who was sent this has not been sent yet; notes it as sent. */
function news({ known, cursor }: VmSource, sent: Map<string, number>, isFirst: boolean): VmChange {
  const changed: VmRecord[] = [];
  for (const [hostname, { revision, record }] of known) {
    if (sent.get(hostname) === revision) continue;
    sent.set(hostname, revision);
    changed.push(record);
  }
  const gone = [...sent.keys()].filter((hostname) => !known.has(hostname));
  for (const hostname of gone) sent.delete(hostname);
  changed.sort((one, other) => (one.hostname < other.hostname ? -1 : 1));
  return { cursor: cursor(), all: isFirst ? [...known.keys()].sort() : null, changed, gone };
}

// The change feed of VMs. While there are viewers, the changed rows are read once for all of them, and each viewer gets
// the changes since their last one.
import { untilAborted } from '../async/abort.ts';
import type { VmRecord } from '../db/vms.ts';
import { openVmSource, type VmFeedIntervals, type VmSource, type VmSourceOptions } from './vm-source.ts';

export type VmFeedOptions = VmSourceOptions & { readonly intervals?: Partial<VmFeedIntervals> };

export type VmChange = {
  /** Where a viewer who reconnects continues; see `follow`. */
  readonly cursor: number;
  /** All hostnames, in the first change of a viewer. */
  readonly all: readonly string[] | null;
  readonly changed: readonly VmRecord[];
  readonly gone: readonly string[];
};

export type VmFeed = {
  /**
   * Yields all VMs, or those that changed since `after` (a cursor; null = all), and then every change until the signal is
   * aborted. A slow viewer gets several changes as one.
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
    // Before the comparison, so that no change in between is missed.
    const next = source.next();
    const change = unsent(source, sent, isFirst);
    if (isFirst || change.changed.length > 0 || change.gone.length > 0) yield change;
    isFirst = false;
    await untilAborted(next, signal);
  }
}

/** What has not been sent to this viewer yet; records it as sent. */
function unsent({ known, cursor }: VmSource, sent: Map<string, number>, isFirst: boolean): VmChange {
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

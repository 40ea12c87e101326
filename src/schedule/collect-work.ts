// The participants' files as one archive in the place of backups, before their machines are destroyed.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failureOf } from '../backup/make.ts';
import { openPlace } from '../backup/place.ts';
import type { Collector } from '../collect/collector.ts';
import { isWhole, type VmReport } from '../collect/report.ts';
import type { Target } from '../collect/target.ts';
import { describeFailure } from '../result.ts';

export type CollectOptions = {
  readonly collector: Pick<Collector, 'download'>;
  /** A folder, or s3://bucket/prefix. */
  readonly place: string;
  /** The machines that can hold work. */
  readonly listTargets: () => Promise<readonly Target[]>;
  readonly record: (reports: readonly VmReport[], by: string, startedAt: Date) => Promise<void>;
  /** Of the archive. */
  readonly nameOf: (startedAt: Date) => string;
};

export type Collected = {
  /** Where it is; null where there were no files. */
  readonly archive: string | null;
  /** Machines with work that is not in it. */
  readonly kept: readonly string[];
  /** Why; null where nothing was kept. */
  readonly problem: string | null;
};

export type CollectWork = (by: string, signal: AbortSignal) => Promise<Collected>;

/** Machines that nobody has had hold no work; their failures do not matter. */
export function createCollectWork(options: CollectOptions): CollectWork {
  return async (by, signal) => {
    const targets = await options.listTargets();
    if (targets.length === 0) return { archive: null, kept: [], problem: null };
    const ended = Promise.withResolvers<{ reports: readonly VmReport[]; startedAt: Date }>();
    const onComplete = (reports: readonly VmReport[], startedAt: Date): Promise<void> => {
      ended.resolve({ reports, startedAt });
      return Promise.resolve();
    };
    const answer = await options.collector.download({ targets, by, hostname: null, signal, onComplete });
    if (!answer.ok) {
      const { code, searched } = answer.failure;
      const unsearched =
        code === 'no_files' ? targets.filter(({ hostname }) => !searched.includes(hostname)) : targets;
      return keptOf(null, unsearched, describeFailure(answer.failure));
    }
    const { stream, startedAt } = answer.value;
    try {
      const archive = await store(options, stream, startedAt, signal);
      const { reports } = await ended.promise;
      await options.record(reports, by, startedAt);
      const missing = reports.filter((report) => !isWhole(report));
      const names = new Set(missing.map(({ hostname }) => hostname));
      return keptOf(
        archive,
        targets.filter(({ hostname }) => names.has(hostname)),
        missing.map(whyNotWhole).join(' '),
      );
    } catch (error) {
      if (signal.aborted) throw error;
      return keptOf(null, targets, describeFailure(failureOf(error, options.place)));
    }
  };
}

async function store(
  { place, nameOf }: CollectOptions,
  stream: Readable,
  startedAt: Date,
  signal: AbortSignal,
): Promise<string> {
  try {
    const opened = await openPlace(place);
    const name = nameOf(startedAt);
    await opened.put(name, (out) => pipeline(stream, out, { signal }));
    return opened.addressOf(name);
  } finally {
    stream.destroy();
  }
}

function keptOf(archive: string | null, targets: readonly Target[], why: string): Collected {
  const kept = targets.filter(({ participant }) => participant !== null).map(({ hostname }) => hostname);
  return { archive, kept, problem: kept.length === 0 ? null : why };
}

function whyNotWhole({ hostname, failure, missing }: VmReport): string {
  if (failure !== null) return `${hostname}: ${describeFailure(failure)}`;
  return `${hostname}: ${missing.length === 1 ? '1 file is' : `${missing.length} files are`} missing from the archive.`;
}

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
  /** Machines of which no file is missing in it; also those that have none. */
  readonly whole: readonly string[];
  /** Why there are others; empty where there are none. */
  readonly problem: string;
};

export type CollectWork = (by: string, signal: AbortSignal) => Promise<Collected>;

export function createCollectWork(options: CollectOptions): CollectWork {
  return async (by, signal) => {
    const targets = await options.listTargets();
    if (targets.length === 0) return { archive: null, whole: [], problem: '' };
    const ended = Promise.withResolvers<{ reports: readonly VmReport[]; startedAt: Date }>();
    const onComplete = (reports: readonly VmReport[], startedAt: Date): Promise<void> => {
      ended.resolve({ reports, startedAt });
      return Promise.resolve();
    };
    const answer = await options.collector.download({ targets, by, hostname: null, signal, onComplete });
    if (!answer.ok) {
      const { failure } = answer;
      return { archive: null, whole: failure.searched, problem: describeFailure(failure) };
    }
    const { stream, startedAt } = answer.value;
    try {
      const archive = await store(options, stream, startedAt, signal);
      const { reports } = await ended.promise;
      await options.record(reports, by, startedAt);
      const whole = reports.filter(isWhole).map(({ hostname }) => hostname);
      const others = reports.filter((report) => !isWhole(report));
      return { archive, whole, problem: others.map(whyNotWhole).join(' ') };
    } catch (error) {
      if (signal.aborted) throw error;
      return { archive: null, whole: [], problem: describeFailure(failureOf(error, options.place)) };
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

function whyNotWhole({ hostname, failure, missing }: VmReport): string {
  if (failure !== null) return `${hostname}: ${describeFailure(failure)}`;
  return `${hostname}: ${missing.length === 1 ? '1 file is' : `${missing.length} files are`} missing from the archive.`;
}

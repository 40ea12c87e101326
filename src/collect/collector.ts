// The files of all participants as one zip. First all machines are searched; then either there is a reason why there is no
// archive, or they send, several at once, as fast as the client reads. Nothing is written to the allocator's disk.
import type { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { createArchive, type Archive } from './archive.ts';
import type { LeftBehind } from './choose.ts';
import { allFailed, noFiles, tooManyDownloads, type DownloadFailure } from './download-failure.ts';
import { asFailure, type VmFailure } from './failure.ts';
import { metadataFiles, type About } from './manifest.ts';
import { createProgressBoard, type DownloadProgress, type ProgressCounter } from './progress.ts';
import type { VmReport } from './report.ts';
import type { Target } from './target.ts';
import { send, visit, type Visit, type VisitDependencies } from './visit.ts';

export type DownloadDependencies = VisitDependencies & {
  readonly now: () => Date;
  readonly randomUuid: () => string;
};

type DownloadRequest = {
  /** At least one. */
  readonly targets: readonly Target[];
  readonly by: string;
  /** The one machine to download from; null: all. */
  readonly hostname: string | null;
  /** Several machines, but not all. */
  readonly isSelection?: boolean;
  readonly signal: AbortSignal;
  /** Called when the client has read the archive to its end. */
  readonly onComplete: (reports: readonly VmReport[], startedAt: Date) => Promise<void>;
};

type Download = { readonly stream: Readable; readonly startedAt: Date };

/** The files of a machine right now. */
type Survey = {
  readonly hostname: string;
  readonly failure: VmFailure | null;
  readonly files: number;
  readonly bytes: number;
  readonly fingerprint: string | null;
  readonly leftBehind: LeftBehind | null;
};

export type Collector = {
  readonly download: (request: DownloadRequest) => Promise<Result<Download, DownloadFailure>>;
  /** Searches the machines without downloading; a machine that has not answered in time has a failure. */
  readonly survey: (targets: readonly Target[], withinMs: number) => Promise<readonly Survey[]>;
  /** The downloads that run and the last that ended, newest first. */
  readonly downloads: () => readonly DownloadProgress[];
};

export function createCollector(dependencies: DownloadDependencies): Collector {
  const board = createProgressBoard(dependencies.now);
  const { limits } = dependencies;
  return {
    downloads: board.list,
    survey: async (targets, withinMs) => {
      const signal = AbortSignal.timeout(withinMs);
      const search = (target: Target): Promise<Visit> => visit(dependencies, target, signal);
      const visits = await pLimit(limits.searching).map(targets, search);
      visits.forEach(({ session }) => session?.close());
      return visits.map(surveyOf);
    },
    download: async (request) => {
      if (board.running() >= limits.downloads) return fail(tooManyDownloads);
      const { by: requestedBy, hostname, isSelection = false, targets } = request;
      const id = dependencies.randomUuid();
      const progress = board.begin({ id, requestedBy, hostname, isSelection, vms: targets.length });
      return start(dependencies, request, progress);
    },
  };
}

function surveyOf({ target, found, failure }: Visit): Survey {
  const { files = 0, bytes = 0, fingerprint = null, leftBehind = null } = found?.listing ?? {};
  return { hostname: target.hostname, failure, files, bytes, fingerprint, leftBehind };
}

async function start(
  dependencies: DownloadDependencies,
  request: DownloadRequest,
  progress: ProgressCounter,
): Promise<Result<Download, DownloadFailure>> {
  const startedAt = dependencies.now();
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, request.signal]);
  const visits = await pLimit(dependencies.limits.searching).map(request.targets, async (target) => {
    const visited = await visit(dependencies, target, signal);
    progress.searched(visited.found?.listing ?? null);
    return visited;
  });
  if (!signal.aborted && visits.some(({ found }) => found !== null && found.listing.files > 0)) {
    const stream = archiveOf(dependencies, request, { visits, progress, startedAt, stopping, signal });
    return succeed({ stream, startedAt });
  }
  stopping.abort();
  const failure = failureOf(visits);
  if (request.signal.aborted) progress.end('abandoned');
  else progress.end('failed', describeFailure(failure));
  return fail(failure);
}

function failureOf(visits: readonly Visit[]): DownloadFailure {
  const failed = visits.flatMap(({ target, failure }) =>
    failure === null ? [] : [{ hostname: target.hostname, failure }],
  );
  if (failed.length === visits.length) return allFailed(failed);
  return noFiles(
    failed,
    visits.reduce((sum, { found }) => sum + (found?.listing.leftBehind.files ?? 0), 0),
    visits.flatMap(({ target, found }) => (found === null ? [] : [target.hostname])),
  );
}

type Running = {
  readonly visits: readonly Visit[];
  readonly progress: ProgressCounter;
  readonly startedAt: Date;
  readonly stopping: AbortController;
  readonly signal: AbortSignal;
};

/** Nothing is sent before the client begins to read. */
function archiveOf(dependencies: DownloadDependencies, request: DownloadRequest, running: Running): Readable {
  const { progress, stopping, startedAt } = running;
  const { log } = dependencies;
  let reports: readonly VmReport[] = [];
  let hasBegun = false;
  const onStart = (): void => {
    hasBegun = true;
    fill(dependencies, archive, running).then(
      (all) => (reports = all),
      (error: unknown) => {
        stopping.abort();
        if (archive.stream.destroyed) return;
        log.error({ err: error }, 'A download broke off.');
        archive.fail(asFailure(error));
      },
    );
  };
  const onClosed = (): void => {
    stopping.abort();
    // A HEAD request reads nothing: it is no download.
    if (hasBegun || request.signal.aborted) progress.end('abandoned');
    else progress.withdraw();
  };
  const archive = createArchive(onStart, onClosed);
  archive.stream.once('end', () => {
    progress.end('done');
    request.onComplete(reports, startedAt).catch((error: unknown) => {
      log.error({ err: error }, 'A download could not be recorded.');
    });
  });
  return archive.stream;
}

async function fill(
  dependencies: DownloadDependencies,
  archive: Archive,
  { visits, progress, startedAt, signal }: Running,
): Promise<readonly VmReport[]> {
  progress.sending();
  const reports = await pLimit(dependencies.limits.sending).map(visits, async (visited) => {
    const report = await send(dependencies, visited, { archive, progress, signal });
    progress.vmDone(report.failure !== null);
    return report;
  });
  const { choice, now } = dependencies;
  await addMetadata(archive, { startedAt, endedAt: now(), choice, reports });
  await archive.finish();
  return reports;
}

async function addMetadata(archive: Archive, about: About): Promise<void> {
  for (const { name, content } of metadataFiles(about))
    await archive.add({ name, modified: about.endedAt, mode: 0o644, stored: false }, content);
}

// Everybody's work as one archive: all machines are searched, then it is decided what to answer, then they send, several
// at once, as fast as the archive is read. Nothing touches our disk. Whoever leaves ends all of it.
import type { Readable } from 'node:stream';
import { mapBounded } from './bounded.ts';
import { asFailure, type VmFailure } from './failure.ts';
import type { LeftBehind } from './choose.ts';
import { manifestCsv, manifestJson, missingText, type About } from './manifest.ts';
import { createProgressBoard, type Progress, type ProgressCounter } from './progress.ts';
import { describeRefusal, type Refused } from './refusal.ts';
import type { VmReport } from './report.ts';
import type { Target } from './target.ts';
import { send, visit, type Visit, type VisitDependencies } from './visit.ts';
import { createZipOutput } from './zip/output.ts';
import { createZipWriter, type ZipWriter } from './zip/writer.ts';

export type CollectDependencies = VisitDependencies & {
  readonly now: () => Date;
  readonly randomUuid: () => string;
};

export type DownloadRequest = {
  /** At least one. */
  readonly targets: readonly Target[];
  readonly by: string;
  /** Of the one machine that was asked for; null: all. */
  readonly hostname: string | null;
  readonly signal: AbortSignal;
  /** The archive was read to its end. */
  readonly onComplete: (reports: readonly VmReport[], startedAt: Date) => Promise<void>;
};

export type Download =
  | { readonly kind: 'archive'; readonly stream: Readable; readonly startedAt: Date }
  | Refused
  | { readonly kind: 'busy' };

/** What a machine holds right now. */
export type Survey = {
  readonly hostname: string;
  readonly failure: VmFailure | null;
  readonly files: number;
  readonly bytes: number;
  readonly fingerprint: string | null;
  readonly leftBehind: LeftBehind | null;
};

export type Collector = {
  readonly download: (request: DownloadRequest) => Promise<Download>;
  /** Searches the machines and sends nothing; who has not answered by then is told as a failure. */
  readonly survey: (targets: readonly Target[], withinMs: number) => Promise<readonly Survey[]>;
  /** Downloads that run, and the last that ended; the newest first. */
  readonly downloads: () => readonly Progress[];
};

export function createCollector(dependencies: CollectDependencies): Collector {
  const board = createProgressBoard(dependencies.now);
  return {
    downloads: board.list,
    survey: async (targets, withinMs) => {
      const signal = AbortSignal.timeout(withinMs);
      const { searching } = dependencies.limits;
      const visits = await mapBounded(targets, searching, (target) => visit(dependencies, target, signal));
      visits.forEach(({ session }) => session?.close());
      return visits.map(surveyOf);
    },
    download: async (request) => {
      if (board.running() >= dependencies.limits.downloads) return { kind: 'busy' };
      const { by: requestedBy, hostname, targets } = request;
      const id = dependencies.randomUuid();
      const progress = board.begin({ id, requestedBy, hostname, vms: targets.length });
      return begin(dependencies, request, progress);
    },
  };
}

function surveyOf({ target, found, failure }: Visit): Survey {
  const { files = 0, bytes = 0, fingerprint = null, leftBehind = null } = found?.listing ?? {};
  return { hostname: target.hostname, failure, files, bytes, fingerprint, leftBehind };
}

async function begin(
  dependencies: CollectDependencies,
  request: DownloadRequest,
  progress: ProgressCounter,
): Promise<Download> {
  const startedAt = dependencies.now();
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, request.signal]);
  const visits = await mapBounded(request.targets, dependencies.limits.searching, async (target) => {
    const seen = await visit(dependencies, target, signal);
    progress.searched(seen.found?.listing ?? null);
    return seen;
  });
  const failed = visits.flatMap(({ target, failure }) =>
    failure === null ? [] : [{ hostname: target.hostname, failure }],
  );
  const any = visits.some(({ found }) => found !== null && found.listing.files > 0);
  if (any && !signal.aborted) {
    const stream = archiveOf(dependencies, request, { visits, progress, startedAt, stopping, signal });
    return { kind: 'archive', stream, startedAt };
  }
  stopping.abort();
  const leftBehind = visits.reduce((sum, { found }) => sum + (found?.listing.leftBehind.files ?? 0), 0);
  const refused: Refused =
    failed.length === visits.length
      ? { kind: 'all_failed', failed }
      : { kind: 'no_files', failed, leftBehind };
  if (request.signal.aborted) progress.end('abandoned');
  else progress.end('failed', describeRefusal(refused));
  return refused;
}

type Running = {
  readonly visits: readonly Visit[];
  readonly progress: ProgressCounter;
  readonly startedAt: Date;
  readonly stopping: AbortController;
  readonly signal: AbortSignal;
};

/** The archive, which begins when somebody begins to read it. */
function archiveOf(dependencies: CollectDependencies, request: DownloadRequest, running: Running): Readable {
  const { progress, stopping, startedAt } = running;
  const { log } = dependencies;
  let reports: readonly VmReport[] = [];
  let begun = false;
  const output = createZipOutput(
    () => {
      begun = true;
      fill(dependencies, createZipWriter(output), running).then(
        (all) => {
          reports = all;
          output.end();
        },
        (error: unknown) => {
          stopping.abort();
          if (output.stream.destroyed) return;
          log.error({ err: error }, 'An archive broke off.');
          output.fail(asFailure(error));
        },
      );
    },
    () => {
      stopping.abort();
      // HEAD: it was asked what would be sent, and that was told.
      if (begun || request.signal.aborted) progress.end('abandoned');
      else progress.withdraw();
    },
  );
  output.stream.once('end', () => {
    progress.end('done');
    request.onComplete(reports, startedAt).catch((error: unknown) => {
      log.error({ err: error }, 'A download could not be written down.');
    });
  });
  return output.stream;
}

async function fill(
  dependencies: CollectDependencies,
  zip: ZipWriter,
  { visits, progress, startedAt, signal }: Running,
): Promise<readonly VmReport[]> {
  progress.sending();
  const reports = await mapBounded(visits, dependencies.limits.sending, async (seen) => {
    const report = await send(dependencies, seen, { zip, progress, signal });
    progress.vmDone(report.failure !== null);
    return report;
  });
  const { choice, now } = dependencies;
  await addPapers(zip, { startedAt, endedAt: now(), choice, reports });
  await zip.finish();
  return reports;
}

const PIECE_CHARACTERS = 65_536;

/** The one that tells what is missing comes last. */
async function addPapers(zip: ZipWriter, about: About): Promise<void> {
  const papers: readonly (readonly [string, Iterable<string> | null])[] = [
    ['manifest.json', manifestJson(about)],
    ['manifest.csv', manifestCsv(about)],
    ['MISSING.txt', missingText(about)],
  ];
  for (const [name, text] of papers) {
    if (text === null) continue;
    const entry = { name, cutName: name, modified: about.endedAt, mode: 0o644 };
    const target = await zip.begin({ ...entry, announcedBytes: 0, packed: true });
    for (const piece of inPieces(text)) await target.write(piece);
    await target.finish();
  }
}

/** Many lines together: each piece is a turn of its own. */
function* inPieces(text: Iterable<string>): Generator<Buffer> {
  let together = '';
  for (const part of text) {
    together += part;
    if (together.length < PIECE_CHARACTERS) continue;
    yield Buffer.from(together);
    together = '';
  }
  if (together !== '') yield Buffer.from(together);
}

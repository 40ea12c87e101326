// One machine in a download: it is searched first, like all machines, and sends later, when it is its turn. Its failure is
// part of the report, not an error.
import type { Log } from '../log.ts';
import type { Archive } from './archive.ts';
import { sendCommand } from './commands.ts';
import { isMostlyHoles, unzipped } from './compression.ts';
import { asFailure, VmFailure } from './failure.ts';
import { gather, type Gathered } from './gather.ts';
import { folderName } from './names.ts';
import type { ProgressCounter } from './progress.ts';
import type { VmReport } from './report.ts';
import { search, type Found } from './search.ts';
import { logIn, type Session } from './session.ts';
import type { Choice, CollectLimits, Target } from './target.ts';

export type VisitDependencies = {
  readonly privateKey: string;
  readonly choice: Choice;
  readonly limits: CollectLimits;
  readonly log: Log;
  readonly nowMs: () => number;
  /** Stores the host key that a machine has shown first. */
  readonly pin: (hostname: string, hostKey: string) => Promise<void>;
};

export type Visit = {
  readonly target: Target;
  /** Open until the machine has sent its files, or the visit is over. */
  readonly session: Session | null;
  readonly found: Found | null;
  readonly failure: VmFailure | null;
  readonly seconds: number;
};

const SECOND_MS = 1_000;

/** Logs in and searches. Never rejects. */
export async function visit(
  dependencies: VisitDependencies,
  target: Target,
  signal: AbortSignal,
): Promise<Visit> {
  const { nowMs, choice, limits } = dependencies;
  const startedMs = nowMs();
  const seconds = (): number => (nowMs() - startedMs) / SECOND_MS;
  let session: Session | null = null;
  try {
    session = await logInPinned(dependencies, target, signal);
    const found = await search({ session, place: target.place, choice, limits });
    return { target, session, found, failure: null, seconds: seconds() };
  } catch (error) {
    session?.close();
    const failure = signal.aborted
      ? new VmFailure('stopped', 'The machine did not answer in time.')
      : asFailure(error);
    return { target, session: null, found: null, failure, seconds: seconds() };
  }
}

async function logInPinned(
  { privateKey, limits, pin, log }: VisitDependencies,
  target: Target,
  signal: AbortSignal,
): Promise<Session> {
  const session = await logIn(target, { privateKey, limits, signal });
  if (target.hostKey === null) {
    await pin(target.hostname, session.hostKey).catch((error: unknown) => {
      log.warn({ err: error, hostname: target.hostname }, 'Could not store the host key of a machine.');
    });
  }
  return session;
}

export type Sending = {
  readonly archive: Archive;
  readonly progress: ProgressCounter;
  readonly signal: AbortSignal;
};

/** Lets the machine send its files, and closes the session. Rejects only with ArchiveClosed. */
export async function send(
  dependencies: VisitDependencies,
  visited: Visit,
  { archive, progress, signal }: Sending,
): Promise<VmReport> {
  const { target, found } = visited;
  if (found === null || found.listing.files === 0) {
    visited.session?.close();
    return reportOf(visited, nothing(visited.failure), 0);
  }
  const { limits, nowMs } = dependencies;
  const startedMs = nowMs();
  const seconds = (): number => (nowMs() - startedMs) / SECOND_MS;
  const { listing, searched } = found;
  const { stallMs, dripBytes } = limits;
  const passing = isMostlyHoles(listing) ? 'gzip' : 'plain';
  const options = { input: listing.names, passing, stallMs, dripBytes } as const;
  let session = visited.session;
  try {
    session ??= await logInPinned(dependencies, target, signal);
    const command = await session.start(sendCommand(searched), options).catch(async (error: unknown) => {
      const isLost = error instanceof VmFailure && error.code === 'connection_lost';
      if (!isLost || signal.aborted) throw error;
      // The connection may have been lost while other machines sent their files: try once more.
      session = await logInPinned(dependencies, target, signal);
      return session.start(sendCommand(searched), options);
    });
    const folder = target.folder === undefined ? target.hostname : folderName(target.folder);
    const { bytes: onBytes, file: onFile } = progress;
    const next = passing === 'gzip' ? unzipped(command.next) : command.next;
    const gathered = await gather({ folder, listing, command, next, archive, limits, onBytes, onFile });
    return reportOf(visited, gathered, seconds());
  } catch (error) {
    if (!(error instanceof VmFailure)) throw error;
    return reportOf(visited, nothing(error), seconds());
  } finally {
    session?.close();
  }
}

function nothing(failure: VmFailure | null): Gathered {
  return { files: [], missing: [], notes: [], failure };
}

function reportOf({ target, found, seconds }: Visit, gathered: Gathered, sendingSeconds: number): VmReport {
  return {
    hostname: target.hostname,
    participant: target.participant,
    ...gathered,
    notes: [...(found?.notes ?? []), ...gathered.notes],
    leftBehind: found?.listing.leftBehind ?? null,
    seconds: seconds + sendingSeconds,
    fingerprint: found?.listing.fingerprint ?? null,
  };
}

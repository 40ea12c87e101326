// One machine from being entered to being left: searched first, for all machines, and sent from later, when it is its
// turn. What fails is part of what is known of it, not an error.
import type { Log } from '../log.ts';
import { sendCommand } from './commands.ts';
import { asFailure, VmFailure } from './failure.ts';
import { gather } from './gather.ts';
import type { ProgressCounter } from './progress.ts';
import type { VmReport } from './report.ts';
import { search, type Found } from './search.ts';
import { enter, type Session } from './session.ts';
import type { Choice, CollectLimits, Target } from './target.ts';
import type { ZipWriter } from './zip/writer.ts';

export type VisitDependencies = {
  readonly privateKey: string;
  readonly choice: Choice;
  readonly limits: CollectLimits;
  readonly log: Log;
  readonly nowMs: () => number;
  /** Keeps the host key that a machine has shown first. */
  readonly pin: (hostname: string, hostKey: string) => Promise<void>;
};

export type Visit = {
  readonly target: Target;
  readonly session: Session | null;
  readonly found: Found | null;
  readonly failure: VmFailure | null;
  readonly seconds: number;
};

const SECOND_MS = 1_000;

/** Enters and searches. What is open stays open in the visit. Never rejects. */
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
    session = await enterPinned(dependencies, target, signal);
    const found = await search({ session, place: target.place, choice, limits });
    return { target, session, found, failure: null, seconds: seconds() };
  } catch (error) {
    session?.close();
    const failure = signal.aborted
      ? new VmFailure('stopped', 'It did not answer in time.')
      : asFailure(error);
    return { target, session: null, found: null, failure, seconds: seconds() };
  }
}

async function enterPinned(
  { privateKey, limits, pin, log }: VisitDependencies,
  target: Target,
  signal: AbortSignal,
): Promise<Session> {
  const session = await enter(target, { privateKey, limits, signal });
  if (target.hostKey === null) {
    await pin(target.hostname, session.hostKey).catch((error: unknown) => {
      log.warn({ err: error, hostname: target.hostname }, 'A host key seen first could not be kept.');
    });
  }
  return session;
}

export type Sending = {
  readonly zip: ZipWriter;
  readonly progress: ProgressCounter;
  readonly signal: AbortSignal;
};

/** Lets the machine send its files, and leaves it. Rejects only where the archive cannot be written any more. */
export async function send(
  dependencies: VisitDependencies,
  seen: Visit,
  { zip, progress, signal }: Sending,
): Promise<VmReport> {
  const { target, found } = seen;
  if (found === null || found.listing.files === 0) {
    seen.session?.close();
    return reportOf(seen, { files: [], missing: [], notes: [], failure: seen.failure }, 0);
  }
  const startedMs = dependencies.nowMs();
  let session = seen.session;
  try {
    const { limits } = dependencies;
    const { listing, place } = found;
    const { stallMs, dripBytes } = limits;
    const options = { input: listing.names, stallMs, dripBytes };
    session ??= await enterPinned(dependencies, target, signal);
    const running = await session.start(sendCommand(place), options).catch(async (error: unknown) => {
      // It may have been lost while others had their turn: once more, then.
      if (!(error instanceof VmFailure) || error.kind !== 'connection_lost' || signal.aborted) throw error;
      session = await enterPinned(dependencies, target, signal);
      return session.start(sendCommand(place), options);
    });
    const { hostname } = target;
    const { bytes: onBytes, file: onFile } = progress;
    const gathered = await gather({ hostname, listing, running, zip, limits, onBytes, onFile });
    return reportOf(seen, gathered, (dependencies.nowMs() - startedMs) / SECOND_MS);
  } catch (error) {
    if (!(error instanceof VmFailure)) throw error;
    const nothing = { files: [], missing: [], notes: [], failure: error };
    return reportOf(seen, nothing, (dependencies.nowMs() - startedMs) / SECOND_MS);
  } finally {
    session?.close();
  }
}

function reportOf(
  { target, found, seconds }: Visit,
  gathered: Pick<VmReport, 'files' | 'missing' | 'notes' | 'failure'>,
  sendingSeconds: number,
): VmReport {
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

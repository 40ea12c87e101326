// Who may use a database: one allocator alone (exclusive), or several that were configured to share it (shared). A
// session advisory lock on a connection of its own decides, so that the lock ends with whoever holds it.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { openLockSession, type Holder, type LockMode, type LockSession } from './lock-session.ts';

export type { Holder, LockMode } from './lock-session.ts';

/** A holder that was killed this moment is still in the server's list; another allocator stays in it. */
const GRACE_MS = 1_500;
const GRACE_POLL_MS = 100;
/** How often the connection is asked whether it still holds the lock; a silent network is noticed no sooner. */
const CHECK_MS = 10_000;
/** A server that takes longer to answer is taken for lost. */
const ANSWER_MS = 5_000;
/** Between two tries to reach a server that is away. */
const RETRY_MS = 1_000;
/** So that the whole name fits the 63 bytes that the server keeps. */
const HOST_CHARACTERS = 36;

export type DeploymentLockOptions = {
  readonly connectionString: string;
  readonly mode: LockMode;
  /** Shown to the start that is refused: which process, and on which host. */
  readonly self: { readonly pid: number; readonly host: string };
  /** Called at most once: the lock was lost with its connection, and somebody else has it now. Stop serving. */
  readonly onTaken: (holder: Holder | undefined) => void;
  readonly log: (line: string) => void;
  readonly graceMs?: number;
  readonly checkMs?: number;
  readonly answerMs?: number;
  readonly retryMs?: number;
};

export type DeploymentLock = {
  /**
   * Gives the lock up and closes its connection. `whileHeld` runs before that: stopping the server there leaves no
   * moment in which another allocator could get in and find the server stopped under it.
   */
  release(whileHeld?: () => Promise<void>): Promise<void>;
};

/** `held`: somebody else has it. `unreachable`: the server does not answer, or does not let us in. */
export type DeploymentLockResult =
  | { readonly ok: true; readonly lock: DeploymentLock }
  | { readonly ok: false; readonly reason: 'held'; readonly holder: Holder | undefined }
  | { readonly ok: false; readonly reason: 'unreachable'; readonly error: Error };

type Attempt =
  | { readonly kind: 'taken'; readonly session: LockSession }
  | { readonly kind: 'held'; readonly holder: Holder | undefined }
  | { readonly kind: 'unreachable'; readonly error: Error };

/**
 * Takes the lock, waiting `graceMs` for a holder that is just ending. From then on it is kept: when the connection is
 * lost, the lock is taken again in the background, until `release`.
 */
export async function acquireDeploymentLock(options: DeploymentLockOptions): Promise<DeploymentLockResult> {
  const name = nameOf(options.self);
  const first = await attempt(options, name);
  if (first.kind === 'held') return { ok: false, reason: 'held', holder: first.holder };
  if (first.kind === 'unreachable') return { ok: false, reason: 'unreachable', error: first.error };
  const ending = new AbortController();
  const kept = keep(first.session, options, name, ending.signal);
  const release = async (whileHeld?: () => Promise<void>): Promise<void> => {
    ending.abort();
    const session = await kept;
    try {
      await whileHeld?.();
    } finally {
      await session?.close();
    }
  };
  return { ok: true, lock: { release } };
}

/** `process 12 on laptop, since 2026-01-31T09:00:00Z`, to be put into a sentence. */
export function describeHolder(holder: Holder | undefined): string {
  if (holder === undefined) return 'which has just ended';
  const { pid, host } = /^lablink (?<pid>\d+)@(?<host>.*) \w+$/.exec(holder.name)?.groups ?? {};
  const who = pid === undefined ? `"${holder.name}"` : `process ${pid} on ${host ?? ''}`;
  return `${who}, since ${holder.since.toISOString().replace(/\.\d+Z$/, 'Z')}`;
}

/** Unlike that of any other process and of any other lock of this one. */
function nameOf(self: DeploymentLockOptions['self']): string {
  return `lablink ${self.pid}@${self.host.slice(0, HOST_CHARACTERS)} ${randomBytes(4).toString('hex')}`;
}

async function attempt(options: DeploymentLockOptions, name: string): Promise<Attempt> {
  let session: LockSession | undefined;
  try {
    session = await openLockSession(options.connectionString, name, options.answerMs ?? ANSWER_MS);
    const holder = await lockWithin(session, options);
    if (holder === 'ours') return { kind: 'taken', session };
    await session.close();
    return { kind: 'held', holder };
  } catch (error) {
    await session?.close();
    return { kind: 'unreachable', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

async function lockWithin(
  session: LockSession,
  { mode, graceMs = GRACE_MS }: DeploymentLockOptions,
): Promise<'ours' | Holder | undefined> {
  for (let waitedMs = 0; ; waitedMs += GRACE_POLL_MS) {
    if (await session.tryLock(mode)) return 'ours';
    const ending = await session.endNamesakes();
    if (!ending && waitedMs >= graceMs) return session.findHolder();
    await delay(GRACE_POLL_MS);
  }
}

/** Until `signal`: then the session that holds the lock, if one does. */
async function keep(
  first: LockSession,
  options: DeploymentLockOptions,
  name: string,
  signal: AbortSignal,
): Promise<LockSession | undefined> {
  let session = first;
  for (;;) {
    await untilLost(session, options.checkMs ?? CHECK_MS, signal);
    if (signal.aborted) return session;
    options.log('The connection that holds the deployment lock was lost; taking it again.');
    await session.close().catch(() => undefined);
    const again = await takeAgain(options, name, signal);
    if (again === undefined) return undefined;
    if (again.kind === 'held') {
      options.onTaken(again.holder);
      return undefined;
    }
    ({ session } = again);
    options.log('The deployment lock is held again.');
  }
}

async function untilLost(session: LockSession, checkMs: number, signal: AbortSignal): Promise<void> {
  const woken = AbortSignal.any([signal, session.gone]);
  while (await passed(checkMs, woken)) {
    if (!(await session.holds().catch(() => false))) return;
  }
}

/** True when the time has passed, false as soon as the signal is given. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal, ref: false }).catch(() => false);
}

/** Undefined where `signal` ended the trying. */
async function takeAgain(
  options: DeploymentLockOptions,
  name: string,
  signal: AbortSignal,
): Promise<Exclude<Attempt, { kind: 'unreachable' }> | undefined> {
  while (!signal.aborted) {
    const again = await attempt(options, name);
    if (again.kind !== 'unreachable') return again;
    await delay(options.retryMs ?? RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

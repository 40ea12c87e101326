// The lock that lets one allocator use a database alone (exclusive), or several together (shared). It is a session advisory
// lock on a connection of its own, so that it ends with the process that holds it.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fail, succeed, type Result } from '../result.ts';
import { openLockSession, type Holder, type LockMode, type LockSession } from './lock-session.ts';

export type { Holder } from './lock-session.ts';

/** The server takes a moment to notice that a killed holder is gone. */
const GRACE_MS = 1_500;
const GRACE_POLL_MS = 100;
/** How often the connection is checked. A dead network is noticed only then. */
const CHECK_MS = 10_000;
/** A server that takes longer to answer counts as lost. */
const ANSWER_MS = 5_000;
/** Between two attempts to reach the server. */
const RETRY_MS = 1_000;
/** So that the whole name fits into the 63 bytes that the server keeps. */
const HOST_CHARACTERS = 36;

export type DeploymentLockOptions = {
  readonly connectionString: string;
  readonly mode: LockMode;
  /** Shown to another allocator that cannot get the lock. */
  readonly self: { readonly pid: number; readonly host: string };
  /** Called at most once: the lock was lost with its connection, and another allocator has it now. Stop serving. */
  readonly onTaken: (holder: Holder | undefined) => void;
  readonly log: (line: string) => void;
  readonly graceMs?: number;
  readonly checkMs?: number;
  readonly answerMs?: number;
  readonly retryMs?: number;
};

export type DeploymentLock = {
  /**
   * Gives up the lock and closes its connection. `whileHeld` runs before that: a Postgres that is stopped there cannot be
   * taken over by another allocator in between.
   */
  release(whileHeld?: () => Promise<void>): Promise<void>;
};

/** The caller knows which database it is, and adds the message and the remedy. */
export type LockFailure =
  /** Another allocator has the lock. */
  | { readonly code: 'held'; readonly holder: Holder | undefined }
  /** The server does not answer, or rejects the login. */
  | { readonly code: 'unreachable'; readonly error: Error };

/**
 * Acquires the lock; waits `graceMs` for a holder that is stopping. If the connection is lost, the lock is acquired again in
 * the background, until `release`.
 */
export async function acquireDeploymentLock(
  options: DeploymentLockOptions,
): Promise<Result<DeploymentLock, LockFailure>> {
  const name = nameOf(options.self);
  const first = await attempt(options, name);
  if (!first.ok) return first;
  const ending = new AbortController();
  const kept = keep(first.value, options, name, ending.signal);
  const release = async (whileHeld?: () => Promise<void>): Promise<void> => {
    ending.abort();
    const session = await kept;
    try {
      await whileHeld?.();
    } finally {
      await session?.close();
    }
  };
  return succeed({ release });
}

/** `process 12 on laptop, since 2026-01-31T09:00:00Z`: a part of a sentence. */
export function describeHolder(holder: Holder | undefined): string {
  if (holder === undefined) return 'which has just ended';
  const { pid, host } = /^lablink (?<pid>\d+)@(?<host>.*) \w+$/.exec(holder.name)?.groups ?? {};
  const who = pid === undefined ? `"${holder.name}"` : `process ${pid} on ${host ?? ''}`;
  return `${who}, since ${holder.since.toISOString().replace(/\.\d+Z$/, 'Z')}`;
}

/** Unique among all processes, and among the locks of this process. */
function nameOf(self: DeploymentLockOptions['self']): string {
  return `lablink ${self.pid}@${self.host.slice(0, HOST_CHARACTERS)} ${randomBytes(4).toString('hex')}`;
}

async function attempt(
  options: DeploymentLockOptions,
  name: string,
): Promise<Result<LockSession, LockFailure>> {
  let session: LockSession | undefined;
  try {
    session = await openLockSession(options.connectionString, name, options.answerMs ?? ANSWER_MS);
    const holder = await lockWithin(session, options);
    if (holder === 'ours') return succeed(session);
    await session.close();
    return fail({ code: 'held', holder });
  } catch (error) {
    await session?.close();
    return fail({
      code: 'unreachable',
      error: error instanceof Error ? error : new Error(String(error)),
    });
  }
}

async function lockWithin(
  session: LockSession,
  { mode, graceMs = GRACE_MS }: DeploymentLockOptions,
): Promise<'ours' | Holder | undefined> {
  for (let waitedMs = 0; ; waitedMs += GRACE_POLL_MS) {
    if (await session.tryLock(mode)) return 'ours';
    const terminated = await session.terminateOwn();
    if (!terminated && waitedMs >= graceMs) return session.findHolder();
    await delay(GRACE_POLL_MS);
  }
}

/** Runs until `signal`, then returns the session that holds the lock, if there is one. */
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
    options.log('The connection that holds the deployment lock was lost; acquiring it again.');
    await session.close().catch(() => undefined);
    const again = await takeAgain(options, name, signal);
    if (again === undefined) return undefined;
    if ('holder' in again) {
      options.onTaken(again.holder);
      return undefined;
    }
    session = again;
    options.log('The deployment lock is held again.');
  }
}

async function untilLost(session: LockSession, checkMs: number, signal: AbortSignal): Promise<void> {
  const woken = AbortSignal.any([signal, session.gone]);
  while (await passed(checkMs, woken)) {
    if (!(await session.holds().catch(() => false))) return;
  }
}

/** True when the time has passed, false as soon as the signal is aborted. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  return delay(ms, true, { signal, ref: false }).catch(() => false);
}

/** Undefined if `signal` was aborted first. */
async function takeAgain(
  options: DeploymentLockOptions,
  name: string,
  signal: AbortSignal,
): Promise<LockSession | Extract<LockFailure, { code: 'held' }> | undefined> {
  while (!signal.aborted) {
    const again = await attempt(options, name);
    if (again.ok) return again.value;
    if (again.failure.code === 'held') return again.failure;
    await delay(options.retryMs ?? RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

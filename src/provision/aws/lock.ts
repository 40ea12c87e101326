// The lock that a run of the engine holds on its state, as the engine tells of it when another run meets it; and whether
// the run that took it is dead. Removing the lock of a living run would let two write one state.
import { readFile } from 'node:fs/promises';

export type StateLock = { readonly host: string; readonly pid: number; readonly since: Date };

const TOLD = /created by \S*@(?<host>\S+) \(pid (?<pid>\d+)\) at (?<since>[0-9TZ:.+-]+)/;
const IS_LOCKED = /currently locked by|Another update is currently in progress/;

export function isLocked(text: string): boolean {
  return IS_LOCKED.test(text);
}

/** Null where the text tells of none. */
export function readLock(text: string): StateLock | null {
  const { host, pid, since } = TOLD.exec(text)?.groups ?? {};
  if (host === undefined || pid === undefined || since === undefined) return null;
  return { host, pid: Number(pid), since: new Date(since) };
}

export type LockJudgement = {
  readonly host: string;
  readonly now: Date;
  /** True where nobody but this server may use the state: it is on its own disk. */
  readonly alone: boolean;
  /** A lock of another computer is dead when it is so old: no run takes longer. */
  readonly deadAfterMs: number;
};

/**
 * Whether it is surely left over. We hold the operation's lease, so that no other run of ours is at work; what remains
 * is an engine that outlived its server, which on this computer can be looked for.
 */
export async function isLeftOver(lock: StateLock, judgement: LockJudgement): Promise<boolean> {
  if (lock.host === judgement.host) return !(await isEngine(lock.pid));
  if (judgement.alone) return true;
  return judgement.now.getTime() - lock.since.getTime() > judgement.deadAfterMs;
}

/** Another program may have the number by now. */
async function isEngine(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  if (/^\d+ \(.*\) [ZX]/s.test(state)) return false;
  return command === null || command.includes('pulumi');
}

// Decides whether the lock on a state was left behind by a dead run. Removing the lock of a living run would let two runs
// write the same state.
import { readFile } from 'node:fs/promises';
import type { StateLock } from './failure.ts';

export type LockContext = {
  readonly host: string;
  readonly now: Date;
  /** True if only this server can use the state, because it is on its own disk. */
  readonly isPrivateState: boolean;
  /** A lock of another host is stale after this time: no run takes longer. */
  readonly staleAfterMs: number;
};

/**
 * We hold the operation's lease, so no other run of ours is active. What remains is an engine that outlived its server; on
 * this host we can look for its process.
 */
export async function isStale(lock: StateLock, context: LockContext): Promise<boolean> {
  if (lock.host === context.host) return !(await isEngine(lock.pid));
  if (context.isPrivateState) return true;
  return context.now.getTime() - lock.since.getTime() > context.staleAfterMs;
}

/** Another program may have the same process id by now. */
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

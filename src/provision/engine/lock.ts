// Decides whether the lock on a state was left behind by a dead run. Removing the lock of a living run would let two runs
// write the same state.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
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

const lockFile = z.object({ pid: z.number(), hostname: z.string(), timestamp: z.string() });
/** Pulumi stores the attributes of a file beside it, and never reads them as a lock. */
const ATTRIBUTES = '.attrs';

/**
 * A full disk and a loss of power leave lock files that are empty or cut short. Pulumi parses every file in the folder,
 * whatever its name, and fails for ever.
 * @param folder of the locks of a stack; null if it is not on a disk of this server
 * @returns the names of the removed files
 */
export async function removeUnreadableLocks(folder: string | null): Promise<string[]> {
  const names = folder === null ? [] : await readdir(folder).catch(() => []);
  const removed: string[] = [];
  for (const name of names) {
    const path = join(folder ?? '', name);
    if (name.endsWith(ATTRIBUTES) || (await isReadable(path))) continue;
    for (const each of [path, path + ATTRIBUTES]) await rm(each, { force: true });
    removed.push(name);
  }
  return removed;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    return lockFile.safeParse(JSON.parse(await readFile(path, 'utf8'))).success;
  } catch (error) {
    // It may have been removed meanwhile; a file that cannot be opened is not ours to remove.
    return !(error instanceof SyntaxError);
  }
}

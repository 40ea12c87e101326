// The processes that a machine's process has started, and theirs: on a computer that plays many machines, these are
// the ones that run "on" this machine.
import { readdir, readFile } from 'node:fs/promises';
import type { RunningProcess } from '../../agent/options.ts';

/** A machine with more processes than this is looked at only so far. */
const PROCESSES_LOOKED_AT = 2_000;

/** The processes below `pid`, without itself; null where the system does not tell. */
export async function listDescendants(pid: number, proc = '/proc'): Promise<RunningProcess[] | null> {
  if ((await childrenOf(proc, pid)) === null) return null;
  const found: RunningProcess[] = [];
  const toVisit = [pid];
  for (let next = toVisit.pop(); next !== undefined; next = toVisit.pop()) {
    for (const child of (await childrenOf(proc, next)) ?? []) {
      const commandLine = await readFile(`${proc}/${child}/cmdline`, 'utf8').catch(() => '');
      if (commandLine !== '') found.push({ pid: child, commandLine: commandLine.split('\0').slice(0, -1) });
      toVisit.push(child);
    }
    if (found.length > PROCESSES_LOOKED_AT) break;
  }
  return found;
}

/** Each thread has the children that it started itself. proc_tid_children(5) */
async function childrenOf(proc: string, pid: number): Promise<number[] | null> {
  try {
    const threads = await readdir(`${proc}/${pid}/task`);
    const lists = await Promise.all(
      threads.map((thread) => readFile(`${proc}/${pid}/task/${thread}/children`, 'utf8')),
    );
    return lists.join(' ').split(' ').filter(Boolean).map(Number);
  } catch {
    return null;
  }
}

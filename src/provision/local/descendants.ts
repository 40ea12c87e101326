// The children of the process of a local VM, and their children: the processes that run "on" this VM.
import { readdir, readFile } from 'node:fs/promises';
import type { RunningProcess } from '../../agent/options.ts';

/** Further processes are ignored. */
const PROCESSES_MAX = 2_000;

/** The processes below `pid`, without itself; null if the operating system does not list them. */
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
    if (found.length > PROCESSES_MAX) break;
  }
  return found;
}

/** Each thread lists the children that it started itself. proc_tid_children(5) */
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

// The processes that run "on" a local VM: commands and their descendants.
import { readdir, readFile } from 'node:fs/promises';
import type { RunningProcess } from '../../agent/processes.ts';

/** Further processes are ignored. */
const PROCESSES_MAX = 2_000;

/** These processes and all below them; null if the operating system does not list processes. */
export async function listProcessTrees(
  pids: readonly number[],
  proc = '/proc',
): Promise<RunningProcess[] | null> {
  if ((await childrenOf(proc, process.pid)) === null) return null;
  const found: RunningProcess[] = [];
  const toVisit = [...pids];
  for (let pid = toVisit.pop(); pid !== undefined; pid = toVisit.pop()) {
    const commandLine = await readFile(`${proc}/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine !== '') found.push({ pid, commandLine: commandLine.split('\0').slice(0, -1) });
    if (found.length > PROCESSES_MAX) break;
    toVisit.push(...((await childrenOf(proc, pid)) ?? []));
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

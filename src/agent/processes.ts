// The processes of this machine, and signals to groups of them.
import { readdir, readFile } from 'node:fs/promises';

export type RunningProcess = { readonly pid: number; readonly commandLine: readonly string[] };

/** A group that has ended already is not an error. */
export function killGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** All processes but this one, from `/proc`; null if the system has no such folder. */
export async function listProcesses(procFolder = '/proc'): Promise<RunningProcess[] | null> {
  let names: string[];
  try {
    names = await readdir(procFolder);
  } catch {
    return null;
  }
  const pids = names.filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const others = pids.filter((pid) => pid !== process.pid);
  const processes = await Promise.all(others.map((pid) => readProcess(procFolder, pid)));
  return processes.flatMap((found) => found ?? []);
}

/** Null if it has ended meanwhile, or is a kernel thread. */
async function readProcess(procFolder: string, pid: number): Promise<RunningProcess | null> {
  try {
    const text = await readFile(`${procFolder}/${String(pid)}/cmdline`, 'utf8');
    const commandLine = text.split('\0').filter((part) => part !== '');
    return commandLine.length > 0 ? { pid, commandLine } : null;
  } catch {
    return null;
  }
}

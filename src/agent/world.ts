// The real world, for those who start an agent: clock, network, processes. The agent itself knows only its type.
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { AgentClock, AgentLog, AgentWorld, RunningProcess } from './options.ts';

/** The world of this process. */
export function createAgentWorld(log: AgentLog): AgentWorld {
  return {
    clock: systemClock,
    fetch: (request) => fetch(request),
    spawn: (program, args, options) => spawn(program, args, options),
    killGroup,
    listProcesses: () => listProcesses('/proc'),
    random: Math.random,
    log,
  };
}

export const systemClock: AgentClock = {
  now: Date.now,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};

function killGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH';
}

/** The processes of this machine without this one, from `/proc`; null where there is no such thing. */
export async function listProcesses(procFolder: string): Promise<RunningProcess[] | null> {
  let names: string[];
  try {
    names = await readdir(procFolder);
  } catch {
    return null;
  }
  const pids = names.filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const processes = await Promise.all(
    pids.filter((pid) => pid !== process.pid).map((pid) => readProcess(procFolder, pid)),
  );
  return processes.flatMap((found) => found ?? []);
}

/** null = it has ended meanwhile, or is the kernel's own. */
async function readProcess(procFolder: string, pid: number): Promise<RunningProcess | null> {
  try {
    const text = await readFile(`${procFolder}/${String(pid)}/cmdline`, 'utf8');
    const commandLine = text.split('\0').filter((part) => part !== '');
    return commandLine.length > 0 ? { pid, commandLine } : null;
  } catch {
    return null;
  }
}

// Signals to processes and their groups. One that has ended already is as it should be.

/** Signals a process group, named by its leader. False where there is none. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): boolean {
  return signalProcess(-leaderPid, signal);
}

/** Signals one process. False where there is none. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

// Kills the marked processes below a folder: those that outlived the program that started them.
import { setTimeout as delay } from 'node:timers/promises';
import type { MarkedProcess, ProcessTable } from './process-table.ts';
import { signalProcess } from './signal.ts';

export type EndedProcesses = {
  /** The number of processes that were killed. */
  readonly ended: number;
  /** Processes that the kernel did not end within the time-out. */
  readonly survivors: readonly MarkedProcess[];
};

const POLL_MS = 20;
const TIMEOUT_MS = 5_000;

/**
 * Kills every process whose mark names one of `folders` (all folders below `root` if omitted), and returns when none is
 * left. The table is read again after each round, because a process may have just started another one.
 */
export async function endMarkedProcesses(
  table: ProcessTable,
  root: string,
  folders?: ReadonlySet<string>,
): Promise<EndedProcesses> {
  const ended = new Set<string>();
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const found = (await table.marked(root)).filter(
      // This process carries the mark itself if it was started from within a marked one.
      ({ pid, folder }) => pid !== process.pid && (folders?.has(folder) ?? true),
    );
    if (found.length === 0 || waitedMs >= TIMEOUT_MS) return { ended: ended.size, survivors: found };
    for (const { pid, started } of found) {
      signalProcess(pid, 'SIGKILL');
      ended.add(`${pid} ${started}`);
    }
    await delay(POLL_MS);
  }
}

// Ends what is left of machines: processes that outlived the allocator, or their machine. Knows marks, not machines.
import { setTimeout as delay } from 'node:timers/promises';
import type { MarkedProcess, ProcessTable } from './process-table.ts';
import { signalProcess } from './signal.ts';

export type Sweep = {
  readonly table: ProcessTable;
  /** Absolute, without links: the folder that holds the machines' folders. */
  readonly root: string;
};

export type SweepResult = {
  /** How many processes were ended. */
  readonly ended: number;
  /** Those that SIGKILL did not end in time: the kernel holds them. */
  readonly survivors: readonly MarkedProcess[];
};

const POLL_MS = 20;
const PATIENCE_MS = 5_000;

/**
 * Kills every process that is marked as one of these machines' (all machines' where none are named), and returns when
 * none is left. They are looked for again after each round: a process that was just starting another is no way out.
 */
export async function endLeftovers(
  { table, root }: Sweep,
  folders?: ReadonlySet<string>,
): Promise<SweepResult> {
  const ended = new Set<string>();
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const found = (await table.marked(root)).filter(
      // Somebody could start an allocator from within a machine.
      ({ pid, folder }) => pid !== process.pid && (folders?.has(folder) ?? true),
    );
    if (found.length === 0 || waitedMs >= PATIENCE_MS) return { ended: ended.size, survivors: found };
    for (const { pid, started } of found) {
      signalProcess(pid, 'SIGKILL');
      ended.add(`${pid} ${started}`);
    }
    await delay(POLL_MS);
  }
}

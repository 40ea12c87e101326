// Supervises one local VM: starts it, restarts it when its process dies, gives it up when that does not help, and stops it on
// request. Knows nothing of rows, launches and other VMs.
import { isAborted, sleep } from '../../async/abort.ts';
import { notStarted, type StartResult, type VmProcess } from './host-process.ts';

export type Supervisor = {
  /** The result of the first start; `onReady` is done by then. */
  readonly firstStart: Promise<StartResult>;
  /**
   * Stops the VM: asks, waits, kills. Resolves when its process is gone; `force` shortens the wait. Children that left the
   * process group are not included.
   */
  readonly stop: (force?: AbortSignal) => Promise<void>;
};

/** Only `start` may reject. */
export type SupervisorOptions = {
  readonly start: () => Promise<VmProcess>;
  /** Kills the children that a dead process left behind. */
  readonly cleanUp: () => Promise<void>;
  /** Called after each successful start. */
  readonly onReady: (sshPort: number) => Promise<void>;
  /** The process died (`how` is a sentence) and is restarted after `restartMs`. */
  readonly onDied: (how: string, restartMs: number) => void;
  /** The VM is given up. `reason` is a sentence. */
  readonly onLost: (reason: string) => Promise<void>;
  readonly timeouts: SupervisorTimeouts;
};

export type SupervisorTimeouts = {
  /** The delay before each consecutive restart; after the last one, the VM is lost. */
  readonly restartMs: readonly number[];
  /** After a run of this length, the restarts are counted anew. */
  readonly stableMs: number;
  /** From asking the process to end until it is killed. */
  readonly graceMs: number;
};

export const defaultTimeouts: SupervisorTimeouts = {
  restartMs: [500, 2_000, 5_000, 10_000, 30_000],
  stableMs: 60_000,
  graceMs: 5_000,
};

/** Starts a VM, and supervises it until `stop` is called or the VM is lost. */
export function superviseVm(options: SupervisorOptions): Supervisor {
  const { timeouts } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const firstStart = Promise.withResolvers<StartResult>();
  let current: VmProcess | undefined;

  /** From the start of the process to its end, which is returned as a sentence. */
  const runOnce = async (): Promise<string> => {
    try {
      current = await options.start();
    } catch (error) {
      const reason = `Its process could not be started: ${error instanceof Error ? error.message : String(error)}.`;
      firstStart.resolve(notStarted(reason));
      return reason;
    }
    // Stopped during the start: it has done nothing yet that would need a grace period.
    if (isAborted(signal)) current.kill();
    const ready = await current.ready;
    if (ready.ok) await options.onReady(ready.value);
    else current.kill();
    firstStart.resolve(ready);
    const how = await current.ended;
    return ready.ok ? `Its process ended (${how}).` : ready.failure.message;
  };
  const supervise = async (): Promise<void> => {
    for (let restarts = 0; ;) {
      const startedAt = performance.now();
      const how = await runOnce();
      if (isAborted(signal)) return;
      await options.cleanUp();
      if (performance.now() - startedAt > timeouts.stableMs) restarts = 0;
      const restartMs = timeouts.restartMs[restarts++];
      if (restartMs === undefined) {
        await options.onLost(lostReason(how, restarts - 1));
        return;
      }
      options.onDied(how, restartMs);
      await sleep(restartMs, signal);
      if (isAborted(signal)) return;
    }
  };
  const supervised = supervise();

  return {
    firstStart: firstStart.promise,
    stop: async (force) => {
      stopping.abort();
      current?.terminate();
      const over = new AbortController();
      const grace = sleep(timeouts.graceMs, AbortSignal.any([over.signal, ...(force ? [force] : [])]));
      void grace.then(() => {
        if (!over.signal.aborted) current?.kill();
      });
      await supervised.finally(() => over.abort());
    },
  };
}

function lostReason(how: string, restarts: number): string {
  if (restarts === 0) return how;
  return `${how} It was restarted ${restarts === 1 ? 'once' : `${restarts} times`} without success.`;
}

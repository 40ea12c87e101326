// Keeps one machine running: started, started again when its process dies by itself, given up when that does not help,
// ended when it is told to. Knows nothing of rows, launches and other machines.
import { setTimeout as delay } from 'node:timers/promises';
import type { CameUp, MachineProcess } from './machine-process.ts';

export type Keeper = {
  /** How its first start went; `onUp` is done by then. */
  readonly firstStart: Promise<CameUp>;
  /**
   * Ends the machine: asks, waits, kills. Returns when its process is gone; `force` shortens the waiting. Processes of
   * it that left its group are left to the caller's sweep.
   */
  readonly end: (force?: AbortSignal) => Promise<void>;
};

/** Only `start` may reject. */
export type KeeperOptions = {
  /** Starts its process, when it is its turn. */
  readonly start: (signal: AbortSignal) => Promise<MachineProcess>;
  /** Ends what a process that died left behind. */
  readonly cleanUp: () => Promise<void>;
  /** It is up, for the first time or again. */
  readonly onUp: (sshPort: number) => Promise<void>;
  /** It died by itself (`how` is a sentence) and is started again after `restartMs`. */
  readonly onDied: (how: string, restartMs: number) => void;
  /** It is given up. `reason` is a sentence. */
  readonly onLost: (reason: string) => Promise<void>;
  readonly patience: Patience;
};

export type Patience = {
  /** How long to wait before each restart in a row; when they are used up, the machine is lost. */
  readonly restartMs: readonly number[];
  /** A machine that ran so long has its restarts back. */
  readonly stableMs: number;
  /** Between asking a machine to end and killing it. */
  readonly graceMs: number;
};

export const defaultPatience: Patience = {
  restartMs: [500, 2_000, 5_000, 10_000, 30_000],
  stableMs: 60_000,
  graceMs: 5_000,
};

/** Starts a machine and keeps it until `end` is called or it is given up. */
export function keepMachine(options: KeeperOptions): Keeper {
  const { patience } = options;
  const ending = new AbortController();
  const firstStart = Promise.withResolvers<CameUp>();
  let current: MachineProcess | undefined;

  const isEnding = (): boolean => ending.signal.aborted;

  /** One life: from the start of its process to its end, told as a sentence. */
  const live = async (): Promise<string> => {
    try {
      current = await options.start(ending.signal);
    } catch (error) {
      const reason = `Its process could not be started: ${error instanceof Error ? error.message : String(error)}.`;
      firstStart.resolve({ ok: false, reason });
      return reason;
    }
    // It may have been told to end while it was being started; it has done nothing yet that would need grace.
    if (isEnding()) current.kill();
    const up = await current.up;
    if (up.ok) await options.onUp(up.sshPort);
    else current.kill();
    firstStart.resolve(up);
    const how = await current.ended;
    return up.ok ? `Its process ended (${how}).` : up.reason;
  };
  const keep = async (): Promise<void> => {
    for (let restarts = 0; ;) {
      const startedAt = performance.now();
      const how = await live();
      if (isEnding()) return;
      await options.cleanUp();
      if (performance.now() - startedAt > patience.stableMs) restarts = 0;
      const restartMs = patience.restartMs[restarts++];
      if (restartMs === undefined) {
        await options.onLost(lostSentence(how, restarts - 1));
        return;
      }
      options.onDied(how, restartMs);
      await delay(restartMs, undefined, { signal: ending.signal }).catch(() => undefined);
      if (isEnding()) return;
    }
  };
  const kept = keep();

  return {
    firstStart: firstStart.promise,
    end: async (force) => {
      ending.abort();
      current?.terminate();
      const over = new AbortController();
      const hurry = AbortSignal.any([over.signal, ...(force ? [force] : [])]);
      const grace = delay(patience.graceMs, undefined, { signal: hurry }).catch(() => undefined);
      void grace.then(() => {
        if (!over.signal.aborted) current?.kill();
      });
      await kept.finally(() => over.abort());
    },
  };
}

function lostSentence(how: string, restarts: number): string {
  if (restarts === 0) return how;
  return `${how} It was started again ${restarts === 1 ? 'once' : `${restarts} times`}, in vain.`;
}

// The first machine of a large launch goes alone: a broken image or start-up script is seen on one machine, not on forty.
// Waits for its report; knows nothing of how machines are made.
import { setTimeout as delay } from 'node:timers/promises';
import { findStatus } from '../db/vms.ts';
import type { VmStatus } from '../vms/status.ts';
import type { Outcome, Run } from './run.ts';

export type CanaryOptions = {
  /** A launch of more machines than this sends one ahead; null = none does. */
  readonly above: number | null;
  /** How long it may take from being made to its report. */
  readonly limitMs: number;
  /** How often its row is read. */
  readonly askMs: number;
};

/** What its status says; null = nothing yet. */
const verdicts = {
  running: 'runs',
  recycling: 'runs',
  error: 'broken',
  unreachable: 'broken',
  destroying: 'broken',
  initializing: null,
} as const satisfies Record<VmStatus, 'runs' | 'broken' | null>;

/** Null when it runs; else why the others do not follow. Ends at once where the run is asked to end. */
export async function awaitCanary(
  run: Pick<Run, 'db' | 'tell' | 'control'>,
  hostname: string,
  others: number,
  { limitMs, askMs }: CanaryOptions,
): Promise<Outcome> {
  const { db, tell, control } = run;
  const startedAt = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedAt) / 1_000);
  tell({
    level: 'info',
    hostname,
    text: `Goes ahead alone; ${others} more follow when it has reported.`,
  });
  while (!control.asked.aborted) {
    const status = await findStatus(db, hostname);
    const verdict = status === null ? 'broken' : verdicts[status];
    if (verdict === 'runs') {
      tell({ level: 'info', hostname, text: `Runs after ${seconds()} s; the others follow.` });
      return null;
    }
    if (verdict === 'broken') return broken(hostname, status);
    if (performance.now() - startedAt > limitMs) return silent(hostname, limitMs);
    await delay(askMs, undefined, { signal: control.asked }).catch(() => undefined);
  }
  return { kind: 'cancelled', problem: 'The others were not begun.', remedy: STAYS };
}

const STAYS = 'The machine stays, to be looked at; destroy it when that is done.';

function broken(hostname: string, status: VmStatus | null): Outcome {
  const what = status === 'error' ? 'reported an error' : 'is gone';
  return {
    kind: 'program',
    problem: `${hostname}, which went ahead alone, ${what}: the others were not made.`,
    remedy: `Read its log, and mend the image, the AMI or the start-up script. ${STAYS}`,
  };
}

function silent(hostname: string, limitMs: number): Outcome {
  return {
    kind: 'timeout',
    problem: `${hostname}, which went ahead alone, has not reported within ${Math.round(limitMs / 60_000)} minutes: the others were not made.`,
    remedy: `See whether it reaches this server (PUBLIC_URL), and read its log. ${STAYS}`,
  };
}

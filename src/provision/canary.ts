// The first VM of a large launch is created alone, as a canary: a broken image or start-up script then fails on one VM, not
// on forty. Waits for its report; knows nothing of how VMs are created.
import { isAborted, sleep } from '../async/abort.ts';
import { findStatus } from '../db/vms.ts';
import { fail, succeed } from '../result.ts';
import type { VmStatus } from '../vms/lifecycle.ts';
import type { Outcome, Run } from './run.ts';

export type CanaryOptions = {
  /** A launch of more VMs than this has a canary; null = none has. */
  readonly above: number | null;
  /** From the creation of the canary to its report. */
  readonly limitMs: number;
  /** Between two reads of its row. */
  readonly pollMs: number;
};

/** Null = not decided yet. */
const verdicts = {
  running: 'works',
  recycling: 'works',
  error: 'broken',
  unreachable: 'broken',
  destroying: 'broken',
  initializing: null,
} as const satisfies Record<VmStatus, 'works' | 'broken' | null>;

/** Succeeds when the canary runs; otherwise says why the other VMs are not created. Ends at once if the run is cancelled. */
export async function awaitCanary(
  { db, emit, control }: Pick<Run, 'db' | 'emit' | 'control'>,
  hostname: string,
  { limitMs, pollMs }: CanaryOptions,
): Promise<Outcome> {
  const startedAt = performance.now();
  while (!isAborted(control.signal)) {
    const status = await findStatus(db, hostname);
    const verdict = status === null ? 'broken' : verdicts[status];
    const elapsedMs = performance.now() - startedAt;
    if (verdict === 'works') {
      const seconds = Math.round(elapsedMs / 1_000);
      emit({ level: 'info', hostname, text: `Runs after ${seconds} s; the others follow.` });
      return succeed();
    }
    if (verdict === 'broken') return broken(hostname, status);
    if (elapsedMs > limitMs) return silent(hostname, limitMs);
    await sleep(pollMs, control.signal);
  }
  return fail({ code: 'cancelled', message: 'The other machines were not started.', remedy: KEPT });
}

const KEPT = 'The first machine stays, so that you can look at it; destroy it afterwards.';

function broken(hostname: string, status: VmStatus | null): Outcome {
  const what = status === 'error' ? 'reported an error' : 'is gone';
  return fail({
    code: 'program',
    message: `${hostname}, which was created first, ${what}: the others were not created.`,
    remedy: `Read its log, and repair the image, the AMI or the start-up script. ${KEPT}`,
  });
}

function silent(hostname: string, limitMs: number): Outcome {
  const minutes = Math.round(limitMs / 60_000);
  return fail({
    code: 'timeout',
    message: `${hostname}, which was created first, has not reported within ${minutes} minutes: the others were not created.`,
    remedy: `Check whether it reaches this server (PUBLIC_URL), and read its log. ${KEPT}`,
  });
}

// Asks the provider before a launch, with time limits because a person waits for the page: what the next VMs would cost,
// and what would make the launch fail.
import pTimeout from 'p-timeout';
import { withTimeLimit } from '../async/time-limit.ts';
import type { LogFields } from '../log.ts';
import { succeed } from '../result.ts';
import type { Provider, ProvisionResult, VmPlan } from './provider.ts';

const PREFLIGHT_LIMIT_MS = 10_000;
const PLAN_LIMIT_MS = 2_000;
/** How long a plan is kept; an incomplete one is requested again sooner. */
const KEEP_MS = 60_000;
const KEEP_INCOMPLETE_MS = 10_000;

type Warn = { readonly warn: (fields: LogFields, message: string) => void };

export type PlannerOptions = {
  readonly provider: Pick<Provider, 'plan'>;
  readonly log: Warn;
  readonly now: () => Date;
  readonly limitMs?: number;
};

/** Null if VMs cost nothing, or nothing is known. Never rejects; at most one request runs at a time. */
export function createPlanner(options: PlannerOptions): () => Promise<VmPlan | null> {
  const { provider, now } = options;
  let kept: { readonly plan: Promise<VmPlan | null>; until: number } | null = null;
  return async () => {
    if (!provider.plan) return null;
    const at = now().getTime();
    if (kept !== null && at < kept.until) return kept.plan;
    const requested = { plan: requestPlan(options), until: at + KEEP_MS };
    kept = requested;
    const plan = await requested.plan;
    if (plan === null || plan.quotaVcpus === null) requested.until = now().getTime() + KEEP_INCOMPLETE_MS;
    return plan;
  };
}

async function requestPlan({
  provider,
  log,
  limitMs = PLAN_LIMIT_MS,
}: PlannerOptions): Promise<VmPlan | null> {
  if (!provider.plan) return null;
  try {
    // When the signal is aborted, the provider returns what it knows by then.
    const plan = provider.plan(AbortSignal.timeout(limitMs));
    return await pTimeout(plan, { milliseconds: limitMs + PLAN_LIMIT_MS / 4, fallback: () => null });
  } catch (error) {
    log.warn({ err: error }, 'The price of a launch could not be determined; the page is shown without it.');
    return null;
  }
}

/** A check that fails or takes too long does not refuse the launch; the launch itself reports what is wrong. */
export async function checkLaunch(
  { provider, log }: { readonly provider: Pick<Provider, 'preflight'>; readonly log: Warn },
  numVms: number,
  limitMs: number = PREFLIGHT_LIMIT_MS,
): Promise<ProvisionResult> {
  const { preflight } = provider;
  if (!preflight) return succeed();
  try {
    return await withTimeLimit<ProvisionResult>(
      limitMs,
      (signal) => preflight({ numVms, signal }),
      () => {
        log.warn({}, 'The checks before a launch took too long; the launch starts without them.');
        return succeed();
      },
    );
  } catch (error) {
    log.warn({ err: error }, 'The checks before a launch failed; the launch starts without them.');
    return succeed();
  }
}

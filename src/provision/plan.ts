// What a launch page says of the next machines: asked of the provider, with an answer in time whatever that does, and kept
// for a moment, so that a page loaded again and again asks nobody again and again.
import type { LogFields } from '../log.ts';
import type { VmPlan, Provider } from './provider.ts';

/** Somebody waits for the page. */
const LIMIT_MS = 2_000;
/** For so long an answer holds; one that was not in time is asked for again sooner. */
const KEEP_MS = 60_000;
const KEEP_LATE_MS = 10_000;

export type PlannerOptions = {
  readonly provider: Pick<Provider, 'plan'>;
  readonly log: { readonly warn: (fields: LogFields, message: string) => void };
  readonly now: () => Date;
  readonly limitMs?: number;
};

/** Null where machines cost nothing, or nothing is known. Never throws; at most one request is under way. */
export function createPlanner(options: PlannerOptions): () => Promise<VmPlan | null> {
  const { provider, now } = options;
  let kept: { readonly answer: Promise<VmPlan | null>; until: number } | null = null;
  return async () => {
    if (!provider.plan) return null;
    const at = now().getTime();
    if (kept !== null && at < kept.until) return kept.answer;
    const asked = { answer: ask(options), until: at + KEEP_MS };
    kept = asked;
    const plan = await asked.answer;
    if (plan === null || plan.quotaVcpus === null) asked.until = now().getTime() + KEEP_LATE_MS;
    return plan;
  };
}

async function ask({ provider, log, limitMs = LIMIT_MS }: PlannerOptions): Promise<VmPlan | null> {
  const giveUp = new AbortController();
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => giveUp.abort(), limitMs);
  // What does not listen to the signal is left behind a moment later.
  const limit = setTimeout(() => late.resolve(null), limitMs + LIMIT_MS / 4);
  try {
    return await Promise.race([provider.plan?.(giveUp.signal) ?? null, late.promise]);
  } catch (error) {
    log.warn({ err: error }, 'What a launch would cost could not be asked; the page comes without it.');
    return null;
  } finally {
    clearTimeout(timer);
    clearTimeout(limit);
  }
}

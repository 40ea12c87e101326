// Asks the provider what a launch would run into, before it is accepted. Checks that cannot be made, or take too long, are
// no reason to refuse: the launch itself says the rest.
import type { LogFields } from '../log.ts';
import { succeed } from '../result.ts';
import type { Provider, ProvisionResult } from './provider.ts';

/** Somebody waits for the page. */
const LIMIT_MS = 10_000;

export async function checkFirst(
  {
    provider,
    log,
  }: {
    readonly provider: Provider;
    readonly log: { readonly warn: (fields: LogFields, message: string) => void };
  },
  numVms: number,
  limitMs: number = LIMIT_MS,
): Promise<ProvisionResult> {
  if (!provider.preflight) return succeed();
  const late = Promise.withResolvers<ProvisionResult>();
  const giveUp = new AbortController();
  const timer = setTimeout(() => {
    log.warn({}, 'The checks before a launch take too long; it begins without them.');
    giveUp.abort();
    late.resolve(succeed());
  }, limitMs);
  try {
    return await Promise.race([provider.preflight({ numVms, signal: giveUp.signal }), late.promise]);
  } catch (error) {
    log.warn({ err: error }, 'The checks before a launch could not be made; it begins without them.');
    return succeed();
  } finally {
    clearTimeout(timer);
  }
}

// Waiting that ends early, without an error, when an AbortSignal is aborted.
import { setTimeout as delay } from 'node:timers/promises';

/** Reads `signal.aborted` anew: TypeScript takes a property that it has seen once for unchanged, also after an await. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves after `ms` milliseconds, or as soon as the signal is aborted. Never rejects. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/**
 * What `work` resolves to, or null as soon as the signal is aborted. `Promise.race` would leave a reaction behind on a
 * promise that lives long, and a listener on a signal that does; this removes its listener when the work ends.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.resolve(null);
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(null);
    signal.addEventListener('abort', onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

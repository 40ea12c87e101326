// Work with a time limit that ends in a value, not in an error.
import pTimeout from 'p-timeout';

/**
 * Runs `work`. After `ms` milliseconds its signal is aborted, and the result is that of `onTimeout`; the work is not waited
 * for any longer, and an error that it throws later is dropped.
 */
export function withTimeLimit<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  onTimeout: () => T,
): Promise<T> {
  const limit = new AbortController();
  return pTimeout(work(limit.signal), {
    milliseconds: ms,
    fallback: () => {
      limit.abort();
      return onTimeout();
    },
  });
}

// Merges streams into one, in the order in which their values arrive.

type Waiting<T> = { readonly value: T; readonly taken: (none: null) => void };

/** Reads the next value of a source once the consumer has taken its last one. Ends with the last source or the first error. */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T, void> {
  const waiting: Waiting<T>[] = [];
  const failures: unknown[] = [];
  let running = sources.length;
  let wake = Promise.withResolvers<null>();

  async function pump(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const value of source) {
        const { promise, resolve } = Promise.withResolvers<null>();
        waiting.push({ value, taken: resolve });
        wake.resolve(null);
        await promise;
      }
    } catch (error) {
      failures.push(error);
    } finally {
      running -= 1;
      wake.resolve(null);
    }
  }

  for (const source of sources) void pump(source);
  for (;;) {
    const next = waiting.shift();
    if (next) {
      yield next.value;
      next.taken(null);
    } else if (failures.length > 0) {
      throw failures[0];
    } else if (running === 0) {
      return;
    } else {
      await wake.promise;
      wake = Promise.withResolvers<null>();
    }
  }
}

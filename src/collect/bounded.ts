// Work on many things, so many at a time.

/** In the order of `items`. When one rejects no new one is begun; it rejects once those that run have ended. */
export async function mapBounded<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  let broken = false;
  const worker = async (): Promise<void> => {
    for (const [at, item] of queue) {
      if (broken) return;
      try {
        results[at] = await work(item);
      } catch (error) {
        broken = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  const failed = settled.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  return results;
}

// One read for all who ask while the previous one runs. Nobody gets what was read before they asked.

export function shareReads<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | null = null;
  return () => {
    next ??= running.then(() => {
      next = null;
      const started = read();
      running = started.catch(() => undefined);
      return started;
    });
    return next;
  };
}

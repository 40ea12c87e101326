// So many at once: work waits for its turn, in order, and gives up waiting when it is told to.

export type Gate = {
  /** Runs the work when it is its turn. Rejects with the signal's reason where that is aborted before. */
  readonly pass: <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;
};

export function createGate(atOnce: number): Gate {
  const waiting = new Set<() => void>();
  let running = 0;
  const enter = async (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    if (running < atOnce) {
      running += 1;
      return;
    }
    const turn = Promise.withResolvers<undefined>();
    const go = (): void => turn.resolve(undefined);
    const giveUp = (): void => {
      // At once, so that no place is handed to somebody who has left.
      waiting.delete(go);
      turn.reject(signal?.reason);
    };
    waiting.add(go);
    signal?.addEventListener('abort', giveUp);
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  };
  /** Whoever leaves hands its place to the next one, if there is one. */
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) running -= 1;
    else {
      waiting.delete(next);
      next();
    }
  };
  return {
    pass: async (work, signal) => {
      await enter(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}

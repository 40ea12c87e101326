// The polls that wait in this process: a bounded map from hostname to the newest poll.

/** How a poll ends without a delivery. */
type WaitEnd = 'superseded' | 'stopping' | 'timed_out' | 'gone';
export type WaitResult<Delivery> =
  { readonly kind: 'delivered'; readonly delivery: Delivery } | { readonly kind: WaitEnd };

export type Waiter<Delivery> = {
  readonly hostname: string;
  readonly confirms: boolean;
  /** Settles once; what comes later is ignored. */
  readonly result: Promise<WaitResult<Delivery>>;
  /** When the wait began, milliseconds of the injected clock. */
  readonly since: number;
  settle(result: WaitResult<Delivery>): void;
};

export type Waiters<Delivery> = {
  /** Registers a poll; the older one of the same hostname is superseded. `full`: the limit is reached. */
  readonly register: (hostname: string, confirms: boolean) => Waiter<Delivery> | 'full';
  readonly get: (hostname: string) => Waiter<Delivery> | undefined;
  readonly all: () => readonly Waiter<Delivery>[];
  readonly size: number;
};

/**
 * @param maxWaiters how many polls may wait at once
 * @param now milliseconds
 * @param onChange called for each hostname that begins or ceases to wait
 */
export function createWaiters<Delivery>(options: {
  readonly maxWaiters: number;
  readonly now: () => number;
  readonly onChange: (hostname: string) => void;
}): Waiters<Delivery> {
  const waiting = new Map<string, Waiter<Delivery>>();

  function remove(waiter: Waiter<Delivery>): void {
    if (waiting.get(waiter.hostname) !== waiter) return;
    waiting.delete(waiter.hostname);
    options.onChange(waiter.hostname);
  }

  function register(hostname: string, confirms: boolean): Waiter<Delivery> | 'full' {
    const older = waiting.get(hostname);
    if (!older && waiting.size >= options.maxWaiters) return 'full';
    const { promise, resolve } = Promise.withResolvers<WaitResult<Delivery>>();
    const waiter: Waiter<Delivery> = {
      hostname,
      confirms,
      result: promise,
      since: options.now(),
      settle(result) {
        remove(waiter);
        resolve(result);
      },
    };
    waiting.set(hostname, waiter);
    older?.settle({ kind: 'superseded' });
    options.onChange(hostname);
    return waiter;
  }

  return {
    register,
    get: (hostname) => waiting.get(hostname),
    all: () => [...waiting.values()],
    get size() {
      return waiting.size;
    },
  };
}

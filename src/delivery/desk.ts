// The desk where VMs wait for their assignment. The waiter is registered before the row is read; a notification is a
// hint, and the row is the truth: after a reconnect and on a slow timer all rows are read again.
import type { Db } from '../db/connect.ts';
import { takeDelivery, withDelivery, type Delivery } from '../db/delivery.ts';
import { createPresence } from './presence.ts';
import { createWaiters, type Waiter, type WaitResult } from './waiters.ts';

export type DeskOptions = {
  readonly db: Db;
  readonly maxWaiters: number;
  readonly codeLifetimeSeconds: number;
  /** A poll that is older is ended with `ended`; null = polls have no end. */
  readonly pollMaxSeconds: number | null;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onError: (error: unknown, doing: string) => void;
};

export type Poll = { readonly hostname: string; readonly confirms: boolean; readonly signal: AbortSignal };

export type Desk = {
  /** Waits for the VM's assignment. `full`: too many wait already. Throws where the database is away. */
  wait(poll: Poll): Promise<WaitResult<Delivery> | { readonly kind: 'full' }>;
  /** There may be something for this hostname. */
  readonly hint: (hostname: string) => void;
  /** Something may have been missed: reads the rows of all who wait. */
  readonly reread: () => Promise<void>;
  /** How many wait. */
  readonly waiting: number;
  /** Lets everybody go; nobody waits afterwards. */
  close(): Promise<void>;
};

/** Every this long the leases of all who wait are renewed, and all rows read again. */
const RENEW_INTERVAL_MS = 10_000;
/** Where polls have an end, it is looked for this often. */
const END_INTERVAL_MS = 250;

export function createDesk(options: DeskOptions): Desk {
  const { db, onError } = options;
  let closed = false;
  const waiters = createWaiters<Delivery>({ ...options, onChange: (hostname) => presence.changed(hostname) });
  const presence = createPresence({ db, find: waiters.get, all: waiters.all, onError });
  const courier = createCourier(options, waiters);
  const renewTimer = setInterval(() => {
    presence.renew();
    void courier.reread();
  }, RENEW_INTERVAL_MS);
  const endTimer =
    options.pollMaxSeconds === null
      ? null
      : setInterval(endOldPolls, END_INTERVAL_MS, options.pollMaxSeconds);

  function endOldPolls(pollMaxSeconds: number): void {
    const oldest = options.now() - pollMaxSeconds * 1_000;
    for (const waiter of waiters.all()) if (waiter.since <= oldest) waiter.settle({ kind: 'ended' });
  }

  async function wait(poll: Poll): Promise<WaitResult<Delivery> | { kind: 'full' }> {
    if (closed) return { kind: 'stopping' };
    const waiter = waiters.register(poll.hostname, poll.confirms);
    if (waiter === 'full') return { kind: 'full' };
    const leave = (): void => waiter.settle({ kind: 'gone' });
    poll.signal.addEventListener('abort', leave, { once: true });
    if (poll.signal.aborted) leave();
    try {
      await courier.deliver(waiter);
    } catch (error) {
      leave();
      throw error;
    }
    return waiter.result;
  }

  async function close(): Promise<void> {
    closed = true;
    clearInterval(renewTimer);
    if (endTimer) clearInterval(endTimer);
    for (const waiter of waiters.all()) waiter.settle({ kind: 'stopping' });
    await presence.close();
  }

  return {
    wait,
    hint: courier.hint,
    reread: courier.reread,
    get waiting() {
      return waiters.size;
    },
    close,
  };
}

type Courier = Pick<Desk, 'hint' | 'reread'> & { deliver(waiter: Waiter<Delivery>): Promise<void> };

/** Takes from the rows what is to be given to those who wait. */
function createCourier(
  { db, codeLifetimeSeconds, onError }: DeskOptions,
  waiters: ReturnType<typeof createWaiters<Delivery>>,
): Courier {
  async function deliver(waiter: Waiter<Delivery>): Promise<void> {
    const delivery = await takeDelivery(db, waiter.hostname, codeLifetimeSeconds);
    if (delivery) waiter.settle({ kind: 'delivered', delivery });
  }

  function hint(hostname: string): void {
    const waiter = waiters.get(hostname);
    if (waiter) deliver(waiter).catch((error: unknown) => onError(error, 'delivering'));
  }

  async function reread(): Promise<void> {
    try {
      const hostnames = waiters.all().map((waiter) => waiter.hostname);
      if (hostnames.length > 0) (await withDelivery(db, hostnames, codeLifetimeSeconds)).forEach(hint);
    } catch (error) {
      onError(error, 'reading the rows of who waits');
    }
  }

  return { deliver, hint, reread };
}

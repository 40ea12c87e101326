// Dispatches assignments to the VMs that wait for them. A poll is registered before its row is read, and a notification is
// only a hint: the row is the truth. After a reconnect and on a slow timer the rows of all waiting VMs are read again.
import type { Db } from '../db/connect.ts';
import type { Notice } from '../db/listen.ts';
import { takeDelivery, withDelivery, type Delivery } from '../db/delivery.ts';
import { createPresence } from './presence.ts';
import { createWaiters, type Waiter, type Waiters, type WaitResult } from './waiters.ts';

export type DispatcherOptions = {
  readonly db: Db;
  /** Unique among all allocators of this database, including earlier runs of this program. */
  readonly allocator: string;
  /** On which allocators are notified. */
  readonly channel: string;
  readonly maxWaiters: number;
  readonly codeLifetimeSeconds: number;
  /** An older poll ends with `timed_out`; null = polls do not time out. */
  readonly pollMaxSeconds: number | null;
  /** Milliseconds. */
  readonly now: () => number;
  readonly onError: (error: unknown, doing: string) => void;
  /** A command was delivered for the first time, so long after the participant sent it. */
  readonly onDelivered?: ((waitedSeconds: number) => void) | undefined;
};

type Poll = { readonly hostname: string; readonly confirms: boolean; readonly signal: AbortSignal };

export type Dispatcher = {
  /** Waits for the assignment of the VM. `full`: too many VMs are waiting. Throws if the database is not available. */
  wait(poll: Poll): Promise<WaitResult<Delivery> | { readonly kind: 'full' }>;
  /** If the VM waits here, reads its row. */
  readonly onNotice: (notice: Notice) => void;
  /** Notifications may have been lost: reads the rows of all waiting VMs. */
  readonly readAll: () => Promise<void>;
  /** How many VMs are waiting. */
  readonly waiting: number;
  /** Ends all polls; later ones end at once. */
  close(): Promise<void>;
};

/** How often the leases of the waiting VMs are renewed and all rows are read again. */
const RENEW_INTERVAL_MS = 10_000;
/** How often the server looks for timed-out polls. */
const TIME_OUT_INTERVAL_MS = 250;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { pollMaxSeconds } = options;
  let closed = false;
  const waiters = createWaiters<Delivery>({ ...options, onChange: (hostname) => presence.changed(hostname) });
  const presence = createPresence({
    ...options,
    find: waiters.get,
    all: waiters.all,
    onMoved: (hostname) => waiters.get(hostname)?.settle({ kind: 'superseded' }),
  });
  const { deliver, deliverTo, readAll } = createDeliveries(options, waiters);
  const timers = [setInterval(renew, RENEW_INTERVAL_MS)];
  if (pollMaxSeconds !== null) timers.push(setInterval(endOldPolls, TIME_OUT_INTERVAL_MS, pollMaxSeconds));

  function renew(): void {
    presence.renew();
    void readAll();
  }

  function endOldPolls(maxSeconds: number): void {
    const oldest = options.now() - maxSeconds * 1_000;
    for (const waiter of waiters.all()) if (waiter.since <= oldest) waiter.settle({ kind: 'timed_out' });
  }

  async function wait(poll: Poll): Promise<WaitResult<Delivery> | { kind: 'full' }> {
    if (closed) return { kind: 'stopping' };
    const waiter = waiters.register(poll.hostname, poll.confirms);
    if (waiter === 'full') return { kind: 'full' };
    const leave = (): void => waiter.settle({ kind: 'gone' });
    poll.signal.addEventListener('abort', leave, { once: true });
    if (poll.signal.aborted) leave();
    try {
      await deliver(waiter);
    } catch (error) {
      leave();
      throw error;
    }
    return waiter.result;
  }

  function onNotice(notice: Notice): void {
    if (notice.kind === 'command') deliverTo(notice.hostname);
    else if (notice.allocator !== options.allocator && waiters.get(notice.hostname))
      presence.check(notice.hostname);
  }

  async function close(): Promise<void> {
    closed = true;
    timers.forEach((timer) => clearInterval(timer));
    for (const waiter of waiters.all()) waiter.settle({ kind: 'stopping' });
    await presence.close();
  }

  return {
    wait,
    onNotice,
    readAll,
    get waiting() {
      return waiters.size;
    },
    close,
  };
}

type Deliveries = Pick<Dispatcher, 'readAll'> & {
  readonly deliver: (waiter: Waiter<Delivery>) => Promise<void>;
  /** If it waits. */
  readonly deliverTo: (hostname: string) => void;
};

/** Reads the rows of waiting VMs, and ends the polls of those that have a command. */
function createDeliveries(
  { db, codeLifetimeSeconds, onError, onDelivered }: DispatcherOptions,
  waiters: Waiters<Delivery>,
): Deliveries {
  async function deliver(waiter: Waiter<Delivery>): Promise<void> {
    const delivery = await takeDelivery(db, waiter.hostname, codeLifetimeSeconds);
    if (!delivery) return;
    waiter.settle({ kind: 'delivered', delivery });
    if (delivery.waitedSeconds !== null) onDelivered?.(delivery.waitedSeconds);
  }

  function deliverTo(hostname: string): void {
    const waiter = waiters.get(hostname);
    if (waiter) deliver(waiter).catch((error: unknown) => onError(error, 'delivering a command'));
  }

  async function readAll(): Promise<void> {
    try {
      const hostnames = waiters.all().map((waiter) => waiter.hostname);
      if (hostnames.length > 0) (await withDelivery(db, hostnames, codeLifetimeSeconds)).forEach(deliverTo);
    } catch (error) {
      onError(error, 'reading the assignments of the waiting VMs');
    }
  }

  return { deliver, deliverTo, readAll };
}

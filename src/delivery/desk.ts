// The desk where VMs wait for their assignment. The waiter is registered before the row is read; a notification is a
// hint, and the row is the truth: after a reconnect and on a slow timer all rows are read again.
import { endWaiting, leaseWaiting, takeDelivery, withDelivery, type Delivery } from '../db/delivery.ts';
import type { Db } from '../db/connect.ts';
import { createWaiters, type Waiter, type WaitResult } from './waiters.ts';

export type DeskOptions = {
  readonly db: Db;
  readonly maxWaiters: number;
  readonly codeLifetimeSeconds: number;
  /** A poll that is older is ended with `ended`; null = polls have no end. */
  readonly pollMaxSeconds: number | null;
  readonly now: () => number;
  readonly onError: (error: unknown, doing: string) => void;
};

export type Desk = {
  /** Waits for the VM's assignment. `full`: too many wait already. */
  wait(poll: {
    hostname: string;
    confirms: boolean;
    signal: AbortSignal;
  }): Promise<WaitResult<Delivery> | { kind: 'full' }>;
  /** There may be something for this hostname. */
  hint(hostname: string): void;
  /** Something may have been missed: reads the rows of all who wait. */
  reread(): Promise<void>;
  readonly waiting: number;
  /** Lets everybody go; nothing is accepted afterwards. */
  close(): Promise<void>;
};

/** Who waits is written down together, this long after the first change. */
const PRESENCE_DELAY_MS = 50;
/** Every this long the leases of all who wait are renewed, and all rows read again. */
const RENEW_INTERVAL_MS = 10_000;
/** A lease outlives two missed renewals. */
const LEASE_SECONDS = 35;

export function createDesk(options: DeskOptions): Desk {
  const { db, codeLifetimeSeconds } = options;
  const changed = new Set<string>();
  const waiters = createWaiters<Delivery>({ ...options, onChange: noteChange });
  let closed = false;
  let presenceTimer: NodeJS.Timeout | null = null;
  let presence: Promise<void> = Promise.resolve();
  const renewTimer = setInterval(() => void renew(), RENEW_INTERVAL_MS);

  function noteChange(hostname: string): void {
    changed.add(hostname);
    if (!closed) presenceTimer ??= setTimeout(writePresence, PRESENCE_DELAY_MS);
  }

  /** One write at a time, so that two of them never lock the same rows in each other's way. */
  function writePresence(): void {
    presenceTimer = null;
    const hostnames = [...changed];
    changed.clear();
    const here = hostnames.flatMap((hostname) => waiters.get(hostname) ?? []);
    const gone = hostnames.filter((hostname) => !waiters.get(hostname));
    enqueue('noting who waits', async () => {
      await leaseWaiting(db, here, LEASE_SECONDS);
      await endWaiting(db, gone);
    });
  }

  function enqueue(doing: string, write: () => Promise<void>): void {
    presence = presence.then(write).catch((error: unknown) => options.onError(error, doing));
  }

  async function renew(): Promise<void> {
    endOldPolls();
    enqueue('renewing leases', () => leaseWaiting(db, waiters.all(), LEASE_SECONDS));
    await reread();
  }

  function endOldPolls(): void {
    if (options.pollMaxSeconds === null) return;
    const oldest = options.now() - options.pollMaxSeconds * 1_000;
    for (const waiter of waiters.all()) if (waiter.since <= oldest) waiter.settle({ kind: 'ended' });
  }

  async function deliverTo(waiter: Waiter<Delivery>): Promise<void> {
    const delivery = await takeDelivery(db, waiter.hostname, codeLifetimeSeconds);
    if (delivery) waiter.settle({ kind: 'delivered', delivery });
  }

  function hint(hostname: string): void {
    const waiter = waiters.get(hostname);
    if (waiter) deliverTo(waiter).catch((error: unknown) => options.onError(error, 'delivering'));
  }

  async function reread(): Promise<void> {
    try {
      const hostnames = waiters.all().map((waiter) => waiter.hostname);
      if (hostnames.length > 0) (await withDelivery(db, hostnames, codeLifetimeSeconds)).forEach(hint);
    } catch (error) {
      options.onError(error, 'reading the rows of who waits');
    }
  }

  async function wait(poll: { hostname: string; confirms: boolean; signal: AbortSignal }) {
    if (closed) return { kind: 'stopping' as const };
    const waiter = waiters.register(poll.hostname, poll.confirms);
    if (waiter === 'full') return { kind: 'full' as const };
    const leave = () => waiter.settle({ kind: 'gone' });
    poll.signal.addEventListener('abort', leave, { once: true });
    if (poll.signal.aborted) leave();
    try {
      await deliverTo(waiter);
    } catch (error) {
      leave();
      throw error;
    }
    return waiter.result;
  }

  async function close(): Promise<void> {
    closed = true;
    clearInterval(renewTimer);
    if (presenceTimer) clearTimeout(presenceTimer);
    for (const waiter of waiters.all()) waiter.settle({ kind: 'stopping' });
    const gone = [...changed];
    enqueue('noting who waits', () => endWaiting(db, gone));
    await presence;
  }

  return {
    wait,
    hint,
    reread,
    get waiting() {
      return waiters.size;
    },
    close,
  };
}

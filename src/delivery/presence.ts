// Writes down who waits, in vm_presence: changes together, a short moment after the first; leases renewed in one
// statement for all. One write at a time, so that two of them never lock the same rows in each other's way.
import type { Db } from '../db/connect.ts';
import { endWaiting, leaseWaiting, type WaitingVm } from '../db/delivery.ts';

export type Presence = {
  /** This hostname began or ceased to wait. */
  changed(hostname: string): void;
  /** Renews the leases of all who wait. */
  renew(): void;
  /** Writes what is left to write; changes that come later are not written. */
  close(): Promise<void>;
};

export type PresenceOptions = {
  readonly db: Db;
  readonly find: (hostname: string) => WaitingVm | undefined;
  readonly all: () => readonly WaitingVm[];
  readonly onError: (error: unknown, doing: string) => void;
};

/** Changes are written together, this long after the first. */
const WRITE_DELAY_MS = 50;
/** A lease outlives two missed renewals (see RENEW_INTERVAL_MS of the dispatcher). */
const LEASE_SECONDS = 35;

export function createPresence({ db, find, all, onError }: PresenceOptions): Presence {
  const changes = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let writing: Promise<void> = Promise.resolve();

  function enqueue(doing: string, write: () => Promise<void>): void {
    writing = writing.then(write).catch((error: unknown) => onError(error, doing));
  }

  function writeChanges(): void {
    timer = null;
    const hostnames = [...changes];
    changes.clear();
    const here = hostnames.flatMap((hostname) => find(hostname) ?? []);
    const gone = hostnames.filter((hostname) => !find(hostname));
    enqueue('noting who waits', async () => {
      await leaseWaiting(db, here, LEASE_SECONDS);
      await endWaiting(db, gone);
    });
  }

  return {
    changed(hostname) {
      if (closed) return;
      changes.add(hostname);
      timer ??= setTimeout(writeChanges, WRITE_DELAY_MS);
    },
    renew: () => enqueue('renewing leases', () => leaseWaiting(db, all(), LEASE_SECONDS)),
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      writeChanges();
      await writing;
    },
  };
}

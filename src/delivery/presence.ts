// Records in vm_presence which VMs wait: changes in batches, and the leases of all VMs in one statement. Writes run one at
// a time, so that two of them cannot deadlock.
import type { Db } from '../db/connect.ts';
import { endWaiting, leaseWaiting, type WaitingVm } from '../db/delivery.ts';

export type Presence = {
  /** This VM began or ceased to wait. */
  changed(hostname: string): void;
  /** Renews the leases of all waiting VMs. */
  renew(): void;
  /** Writes the last changes; later ones are dropped. */
  close(): Promise<void>;
};

export type PresenceOptions = {
  readonly db: Db;
  /** The id of this allocator. */
  readonly allocator: string;
  readonly find: (hostname: string) => WaitingVm | undefined;
  readonly all: () => readonly WaitingVm[];
  readonly onError: (error: unknown, doing: string) => void;
};

/** A batch is written this long after its first change. */
const WRITE_DELAY_MS = 50;
/** A lease outlives two missed renewals (see RENEW_INTERVAL_MS of the dispatcher). */
const LEASE_SECONDS = 35;

export function createPresence({ db, allocator, find, all, onError }: PresenceOptions): Presence {
  const lease = { seconds: LEASE_SECONDS, allocator };
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
    const waiting = hostnames.flatMap((hostname) => find(hostname) ?? []);
    const left = hostnames.filter((hostname) => !find(hostname));
    enqueue('recording which VMs wait', async () => {
      await leaseWaiting(db, waiting, lease);
      await endWaiting(db, left, allocator);
    });
  }

  return {
    changed(hostname) {
      if (closed) return;
      changes.add(hostname);
      timer ??= setTimeout(writeChanges, WRITE_DELAY_MS);
    },
    renew: () => enqueue('renewing leases', () => leaseWaiting(db, all(), { ...lease, renews: true })),
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      writeChanges();
      await writing;
    },
  };
}

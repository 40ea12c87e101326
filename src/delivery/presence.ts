// Records in vm_presence which VMs wait: what changed within a moment, and the leases of all VMs, as groups. Nobody waits for
// that, so a moment is long. Groups run one at a time: a renewal must not bring back the lease of a VM that has left.
import { createGroups, type Groups } from '../async/groups.ts';
import type { Db } from '../db/connect.ts';
import { endWaiting, leaseWaiting, type WaitingVm } from '../db/delivery.ts';
import { showGroupSizes } from '../db/grouped.ts';

export type Presence = {
  /** This VM began or ceased to wait. */
  changed(hostname: string): void;
  /** Renews the lease of this VM, of which a newer poll may wait at another allocator. */
  check(hostname: string): void;
  /** Renews the leases of all waiting VMs, and ends those whose end could not be written before. */
  renew(): void;
  /** Writes the last changes; later ones are dropped. */
  close(): Promise<void>;
};

export type PresenceOptions = {
  readonly db: Db;
  /** The id of this allocator. */
  readonly allocator: string;
  readonly channel: string;
  readonly find: (hostname: string) => WaitingVm | undefined;
  readonly all: () => readonly WaitingVm[];
  /** A newer poll of this VM waits at another allocator. */
  readonly onMoved: (hostname: string) => void;
  readonly onError: (error: unknown, doing: string) => void;
};

/** What changed is written this long after the first change. */
const WRITE_DELAY_MS = 50;
/** A lease outlives two missed renewals (see RENEW_INTERVAL_MS of the dispatcher). */
const LEASE_SECONDS = 35;
/** Every VM that a process serves may change at once. */
const MAX_GROUP = 20_000;
const MAX_WAITING = 2 * MAX_GROUP;

/** A VM that has changed, one whose lease is renewed, or all of those that wait. */
type Write = { readonly hostname: string; readonly renews: boolean } | 'renewal';

export function createPresence(options: PresenceOptions): Presence {
  const { db, onError } = options;
  /** Those whose last change must still be written. */
  const unwritten = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let written: Promise<unknown> = Promise.resolve();

  const groups = createWrites(options, unwritten);
  showGroupSizes(db, 'presence', groups.sizes);

  function write(writes: readonly Write[], doing: string): void {
    // One error for all of a group.
    const [first, ...others] = writes.map((each) => groups.serve(each));
    first?.catch((error: unknown) => onError(error, doing));
    written = Promise.allSettled([written, first, ...others]);
  }

  function writeChanges(): void {
    timer = null;
    write(
      [...unwritten].map((hostname) => ({ hostname, renews: false })),
      'recording which VMs wait',
    );
  }

  return {
    changed(hostname) {
      if (closed) return;
      unwritten.add(hostname);
      timer ??= setTimeout(writeChanges, WRITE_DELAY_MS);
    },
    check: (hostname) => write([{ hostname, renews: true }], 'renewing leases'),
    renew: () => write(['renewal'], 'renewing leases'),
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      writeChanges();
      await written;
    },
  };
}

function createWrites(
  { db, allocator, channel, find, all, onMoved }: PresenceOptions,
  unwritten: Set<string>,
): Groups<Write, 'written'> {
  const lease = { seconds: LEASE_SECONDS, allocator, channel };

  async function writeChanged(): Promise<void> {
    const hostnames = [...unwritten];
    unwritten.clear();
    try {
      await leaseWaiting(
        db,
        hostnames.flatMap((hostname) => find(hostname) ?? []),
        lease,
      );
      await endWaiting(
        db,
        hostnames.filter((hostname) => !find(hostname)),
        allocator,
      );
    } catch (error) {
      // Those that wait are renewed with all others, and may have begun a newer poll elsewhere by then, which must not end.
      for (const hostname of hostnames) if (!find(hostname)) unwritten.add(hostname);
      throw error;
    }
  }

  async function renew(waiting: readonly WaitingVm[]): Promise<void> {
    const moved = await leaseWaiting(db, waiting, { ...lease, renews: true });
    // Not those that have begun a newer poll here in the meantime.
    for (const hostname of moved) if (!unwritten.has(hostname)) onMoved(hostname);
  }

  return createGroups<Write, 'written'>({
    keyOf: (write) => (write === 'renewal' ? '' : write.hostname),
    maxSize: MAX_GROUP,
    maxWaiting: MAX_WAITING,
    together: async (writes) => {
      await writeChanged();
      const renewed = writes.flatMap((write) => (write !== 'renewal' && write.renews ? write.hostname : []));
      await renew(writes.includes('renewal') ? all() : renewed.flatMap((hostname) => find(hostname) ?? []));
      return writes.map(() => 'written');
    },
    // What could not be written is repaired by the next renewal.
    isWorthTryingAlone: () => false,
    alone: () => Promise.resolve('written'),
  });
}

// Records in vm_presence which VMs wait: what changed within a moment, and the leases of all VMs, as groups. Nobody waits for
// that, so a moment is long. Groups run one at a time: a renewal must not bring back the lease of a VM that has left.
import { createGroups, type Groups } from '../async/groups.ts';
import type { Db } from '../db/connect.ts';
import { endWaiting, leaseWaiting, type WaitingVm } from '../db/delivery.ts';
import { showGroupSizes } from '../db/grouped.ts';

export type Presence = {
  /** This VM began or ceased to wait. */
  changed(hostname: string): void;
  /** Renews the leases of all waiting VMs, and ends those whose end could not be written before. */
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

/** What changed is written this long after the first change. */
const WRITE_DELAY_MS = 50;
/** A lease outlives two missed renewals (see RENEW_INTERVAL_MS of the dispatcher). */
const LEASE_SECONDS = 35;
/** Every VM that a process serves may change at once. */
const MAX_GROUP = 20_000;
const MAX_WAITING = 2 * MAX_GROUP;

/** A VM that has changed, or all of those that wait. */
type Write = { readonly hostname: string } | 'renewal';

export function createPresence(options: PresenceOptions): Presence {
  const { db, onError } = options;
  const changes = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let written: Promise<unknown> = Promise.resolve();

  const groups = createWrites(options);
  showGroupSizes(db, 'presence', groups.sizes);

  function write(writes: readonly Write[], doing: string): void {
    // One error for all of a group.
    const [first, ...others] = writes.map((each) => groups.serve(each));
    first?.catch((error: unknown) => onError(error, doing));
    written = Promise.allSettled([written, first, ...others]);
  }

  function writeChanges(): void {
    timer = null;
    const hostnames = [...changes];
    changes.clear();
    write(
      hostnames.map((hostname) => ({ hostname })),
      'recording which VMs wait',
    );
  }

  return {
    changed(hostname) {
      if (closed) return;
      changes.add(hostname);
      timer ??= setTimeout(writeChanges, WRITE_DELAY_MS);
    },
    renew: () => write(['renewal'], 'renewing leases'),
    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      writeChanges();
      await written;
    },
  };
}

function createWrites({ db, allocator, find, all }: PresenceOptions): Groups<Write, 'written'> {
  const lease = { seconds: LEASE_SECONDS, allocator };
  /** Of these, the last write has failed. If they no longer wait, their leases would last until they run out. */
  const unwritten = new Set<string>();
  return createGroups<Write, 'written'>({
    keyOf: (write) => (write === 'renewal' ? '' : write.hostname),
    maxSize: MAX_GROUP,
    maxWaiting: MAX_WAITING,
    together: async (writes) => {
      const hostnames = writes.flatMap((write) => (write === 'renewal' ? [] : [write.hostname]));
      const ended = [...unwritten, ...hostnames];
      unwritten.clear();
      try {
        await leaseWaiting(
          db,
          hostnames.flatMap((hostname) => find(hostname) ?? []),
          lease,
        );
        await endWaiting(
          db,
          ended.filter((hostname) => !find(hostname)),
          allocator,
        );
      } catch (error) {
        for (const hostname of ended) unwritten.add(hostname);
        throw error;
      }
      if (writes.includes('renewal')) await leaseWaiting(db, all(), { ...lease, renews: true });
      return writes.map(() => 'written');
    },
    // What could not be written is repaired by the next renewal.
    isWorthTryingAlone: () => false,
    alone: () => Promise.resolve('written'),
  });
}

// The shutdown time of VMs: an admin changes it, its arrival is recorded, and the VM goes. VMs that shut themselves down get their
// new time until they accept it, and their rows follow; other VMs are destroyed by the server.
import pLimit from 'p-limit';
import pTimeout from 'p-timeout';
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import {
  listShutdowns,
  recordShutdownSet,
  recordShutdownError,
  takeDueShutdowns,
  requestShutdown,
} from '../db/shutdown.ts';
import { findActiveOperation } from '../db/operations.ts';
import { hoursFrom } from '../vms/shutdown.ts';
import { machines, namesOrCount } from '../vms/operation.ts';
import { wallTimeAt } from '../vms/zoned-time.ts';
import type { Provider, ProvisionEvent } from './provider.ts';
import { isOwn } from './providers.ts';

export type ShutdownsOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly now: () => Date;
  readonly onEvent: (event: ProvisionEvent) => void;
  readonly onError: (error: unknown, doing: string) => void;
  /**
   * False if another operation is active.
   * @param check runs in the transaction of the request, which its error undoes
   */
  readonly requestDestroy: (
    hostnames: readonly string[],
    check: (trx: Db) => Promise<void>,
  ) => Promise<boolean>;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
};

export type Shutdowns = {
  /** All VMs shut down this many hours from now. Returns when the VMs have the new time, or after a while. */
  extend(request: { readonly hours: number; readonly by: string }): Promise<void>;
  /** Sends VMs the shutdown time that they do not have yet. Never rejects. */
  reschedule(): Promise<void>;
  /** Called at intervals while no operation runs: handles VMs whose shutdown is due. Never rejects. */
  follow(): Promise<void>;
};

/** The actor in audit events that no person caused. */
export const SHUTDOWN_ACTOR = 'the shutdown time';
/** `extend` waits this long; later VMs get the new time from the next `reschedule`. */
const EXTEND_WAIT_MS = 20_000;
/** A failed destroy of VMs whose shutdown is due is requested again after this time. */
const DESTROY_AGAIN_MS = 600_000;

export function createShutdowns(options: ShutdownsOptions): Shutdowns {
  const { db, provider, now, onError } = options;
  const requestedAt = new Map<string, number>();
  const oneAtATime = pLimit(1);

  const reschedule = (): Promise<void> =>
    oneAtATime(() =>
      rescheduleAll(options).catch((error: unknown) =>
        onError(error, 'sending machines their new shutdown time'),
      ),
    );

  return {
    extend: async ({ hours, by }) => {
      const shutdownAt = hoursFrom(now(), hours);
      await db.transaction().execute(async (trx) => {
        const onVm = provider.rescheduleShutdown !== undefined;
        const count = await requestShutdown(trx, { provider: provider.name, shutdownAt, onVm });
        const detail = `${machines(count)}, until ${wallTimeAt(shutdownAt, 'UTC')} UTC`;
        await recordAuditEvent(trx, { who: by, what: 'reschedule-shutdown', detail, operationId: null });
      });
      requestedAt.clear();
      await pTimeout(reschedule(), { milliseconds: EXTEND_WAIT_MS, fallback: () => undefined });
    },
    reschedule,
    follow: async () => {
      try {
        // One reading of the clock: nothing is destroyed whose time was not recorded.
        const at = now();
        await recordDue(options, at);
        // VMs that shut themselves down are found gone when rows are compared with VMs.
        if (provider.rescheduleShutdown) return;
        if (await findActiveOperation(db)) return;
        await destroyDue(options, at, requestedAt);
      } catch (error) {
        onError(error, 'looking for machines whose shutdown is due');
      }
    },
  };
}

async function findDue(db: Db, provider: Provider, at: Date): Promise<string[]> {
  const due = (await listShutdowns(db)).filter(
    (row) => isOwn(row, provider.name) && row.shutdownAt !== null && row.shutdownAt <= at,
  );
  return hostnamesOf(due);
}

async function recordDue({ db, onEvent }: ShutdownsOptions, at: Date): Promise<void> {
  const due = await db.transaction().execute(async (trx) => {
    const rows = await takeDueShutdowns(trx, at);
    for (const [operationId, group] of Map.groupBy(rows, (row) => row.operationId)) {
      const detail = `shutdown time reached: ${namesOrCount(hostnamesOf(group))}`;
      await recordAuditEvent(trx, { who: SHUTDOWN_ACTOR, what: 'shutdown', detail, operationId });
    }
    return rows;
  });
  for (const { hostname } of due)
    onEvent({ level: 'info', hostname, text: 'The shutdown time of this machine is reached.' });
}

/** These VMs do not shut themselves down: an ordinary destroy operation is requested. */
async function destroyDue(
  { db, provider, requestDestroy }: ShutdownsOptions,
  at: Date,
  requestedAt: Map<string, number>,
): Promise<void> {
  const time = at.getTime();
  const hostnames = (await findDue(db, provider, at)).filter(
    (hostname) => time - (requestedAt.get(hostname) ?? -Infinity) > DESTROY_AGAIN_MS,
  );
  if (hostnames.length === 0) return;
  // Another allocator may have destroyed them since they were read.
  const check = async (trx: Db): Promise<void> => {
    const left = new Set(await findDue(trx, provider, at));
    if (!hostnames.some((hostname) => left.has(hostname))) throw new NothingDue();
  };
  try {
    if (!(await requestDestroy(hostnames, check))) return;
  } catch (error) {
    if (error instanceof NothingDue) return;
    throw error;
  }
  for (const hostname of hostnames) requestedAt.set(hostname, time);
}

class NothingDue extends Error {}

async function rescheduleAll({ db, provider, signal, onError }: ShutdownsOptions): Promise<void> {
  const { rescheduleShutdown } = provider;
  if (!rescheduleShutdown) return;
  const rows = (await listShutdowns(db)).filter((row) => isOwn(row, provider.name));
  const byTime = Map.groupBy(rows, ({ requestedShutdownAt }) => requestedShutdownAt?.getTime() ?? null);
  for (const [time, group] of byTime) {
    if (time === null) continue;
    const hostnames = hostnamesOf(group);
    const shutdownAt = new Date(time);
    const results = await rescheduleShutdown(hostnames, shutdownAt, signal).catch((error: unknown) => {
      onError(error, 'sending machines their new shutdown time');
      return hostnames.map((hostname) => ({ hostname, error: NOT_SENT }));
    });
    for (const { hostname, error } of results) {
      if (error === null) await recordShutdownSet(db, hostname, shutdownAt);
      else await recordShutdownError(db, hostname, error);
    }
  }
}

const NOT_SENT = 'The new shutdown time could not be sent; the log of the server has the error.';

function hostnamesOf(rows: readonly { readonly hostname: string }[]): string[] {
  return rows.map(({ hostname }) => hostname);
}

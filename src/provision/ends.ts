// The end of machines: moved when somebody extends it, told when it comes, and followed up. Machines that end themselves
// are told their new end again and again until they have it, and their rows follow them; others are ended by the server.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import {
  listShutdowns,
  recordShutdownSet,
  recordShutdownError,
  takeDueShutdowns,
  requestShutdown,
  type ShutdownRow,
} from '../db/shutdown.ts';
import { findActiveOperation } from '../db/operations.ts';
import { hoursFrom } from '../vms/shutdown.ts';
import { machines, namesOrCount } from '../vms/operation.ts';
import type { Provider, ProvisionEvent } from './provider.ts';
import { settle } from './settle.ts';

export type EndsOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly now: () => Date;
  readonly onFound: (event: ProvisionEvent) => void;
  readonly onError: (error: unknown, doing: string) => void;
  /** Asks for the destruction of these; false where another operation is in the way. */
  readonly destroy: (hostnames: readonly string[]) => Promise<boolean>;
  /** When the server stops. */
  readonly signal: AbortSignal;
};

export type Ends = {
  /** Every machine is to end so many hours from now. Returns when they were told, or after a while. */
  extend(asked: { readonly hours: number; readonly by: string }): Promise<void>;
  /** Tells machines their end that could not be told before. Never throws. */
  arm(): Promise<void>;
  /** Now and then, while nothing runs: what has come to its end. Never throws. */
  follow(): Promise<void>;
};

/** Who did it, where nobody did. */
export const THE_CLOCK = 'the clock';
/** Whoever extends waits so long at most; what is not told then is told later. */
const EXTEND_WAIT_MS = 20_000;
/** A destruction at the end that did not work is asked for again after this long. */
const ASK_AGAIN_MS = 600_000;

export function createEnds(options: EndsOptions): Ends {
  const { db, provider, now, onError } = options;
  const askedFor = new Map<string, number>();
  let arming: Promise<void> | null = null;

  /** One at a time; who comes meanwhile waits for one that begins after. */
  async function arm(): Promise<void> {
    await arming;
    arming ??= armAll(options)
      .catch((error: unknown) => onError(error, 'telling machines their new end'))
      .finally(() => (arming = null));
    await arming;
  }

  return {
    extend: async ({ hours, by }) => {
      const shutdownAt = hoursFrom(now(), hours);
      await db.transaction().execute(async (trx) => {
        const count = await requestShutdown(trx, {
          provider: provider.name,
          shutdownAt,
          onVm: provider.rescheduleShutdown !== undefined,
        });
        const detail = `${machines(count)}, until ${shutdownAt.toISOString()}`;
        await recordAuditEvent(trx, { who: by, what: 'reschedule-shutdown', detail, operationId: null });
      });
      askedFor.clear();
      await within(EXTEND_WAIT_MS, arm());
    },
    arm,
    follow: async () => {
      try {
        await tellThem(options);
        const over = (await listShutdowns(db)).filter((row) => isOver(row, options));
        if (over.length === 0 || (await findActiveOperation(db))) return;
        if (provider.rescheduleShutdown) await settleOver(options, over);
        else await endOver(options, over, askedFor);
      } catch (error) {
        onError(error, 'looking for machines whose end has come');
      }
    },
  };
}

function isOver({ provider, shutdownAt }: ShutdownRow, { now, provider: ours }: EndsOptions): boolean {
  return provider === ours.name && shutdownAt !== null && shutdownAt <= now();
}

async function tellThem({ db, now, onFound }: EndsOptions): Promise<void> {
  const told = await db.transaction().execute(async (trx) => {
    const ended = await takeDueShutdowns(trx, now());
    const byLaunch = Map.groupBy(ended, ({ operationId }) => operationId);
    for (const [operationId, rows] of byLaunch) {
      const detail = `the end has come of ${namesOrCount(rows.map(({ hostname }) => hostname))}`;
      await recordAuditEvent(trx, { who: THE_CLOCK, what: 'shutdown', detail, operationId });
    }
    return ended;
  });
  for (const { hostname } of told)
    onFound({ level: 'info', hostname, text: 'The end of this machine has come.' });
}

/** They end themselves: the provider is asked which are gone, and their rows go too. */
async function settleOver(
  { db, provider, onFound, signal }: EndsOptions,
  over: readonly ShutdownRow[],
): Promise<void> {
  const names = new Set(over.map(({ hostname }) => hostname));
  const { missing } = await settle(
    { db, provider, tell: onFound, signal },
    { row: ({ hostname }) => names.has(hostname), orphan: () => false },
  );
  if (missing.length === 0) return;
  const detail = `${namesOrCount(missing)} ended by themselves`;
  await recordAuditEvent(db, { who: THE_CLOCK, what: 'shutdown', detail, operationId: null });
}

/** They do not end themselves: an ordinary destruction of these. */
async function endOver(
  { destroy, now }: EndsOptions,
  over: readonly ShutdownRow[],
  askedFor: Map<string, number>,
): Promise<void> {
  const at = now().getTime();
  const due = over.filter(({ hostname }) => at - (askedFor.get(hostname) ?? -Infinity) > ASK_AGAIN_MS);
  const names = due.map(({ hostname }) => hostname);
  if (names.length === 0 || !(await destroy(names))) return;
  for (const hostname of names) askedFor.set(hostname, at);
}

async function armAll({ db, provider, signal, onError }: EndsOptions): Promise<void> {
  const { rescheduleShutdown } = provider;
  if (!rescheduleShutdown) return;
  const rows = (await listShutdowns(db)).filter((row) => row.provider === provider.name);
  const byEnd = Map.groupBy(
    rows.filter(({ requestedShutdownAt }) => requestedShutdownAt !== null),
    ({ requestedShutdownAt }) => requestedShutdownAt?.getTime() ?? 0,
  );
  for (const [time, group] of byEnd) {
    const names = group.map(({ hostname }) => hostname);
    const shutdownAt = new Date(time);
    const results = await rescheduleShutdown(names, shutdownAt, signal).catch((error: unknown) => {
      onError(error, 'telling machines their new end');
      return names.map((hostname) => ({
        hostname,
        error: 'The new time could not be sent to it; the log of the server has the error.',
      }));
    });
    for (const { hostname, error } of results) {
      if (error === null) await recordShutdownSet(db, hostname, shutdownAt);
      else await recordShutdownError(db, hostname, error);
    }
  }
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), limitMs);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

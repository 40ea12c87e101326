// Looks at the clock: what organisers hear before the end of the workshop and of machines, and after it; and the cost so far. Each
// allocator has one. What it writes has a key, so that it is announced once.
import { sleep } from '../async/abort.ts';
import type { Db } from '../db/connect.ts';
import { countWorkNotDownloaded, readMachineEnds, readPastEnd } from '../db/notification-facts.ts';
import { addNotification } from '../db/outbox.ts';
import { listVmHours } from '../db/vm-hours.ts';
import { costSoFar } from '../vms/cost.ts';
import { dueWarning, WARNING_MINUTES } from '../vms/notifications.ts';

export type WatchOptions = {
  readonly db: Db;
  /** The time of rules: all allocators have the same. */
  readonly now: () => Promise<Date>;
  /** When the workshop closes; null = no such time. */
  readonly readClosing: () => Promise<Date | null>;
  /** How long after its shutdown time a machine may exist. */
  readonly graceMinutes: number;
  /** 0 = none. */
  readonly costLimitUsd: number;
  /** Of the prices. */
  readonly region: string | null;
  readonly lookMs?: number;
  readonly onError: (error: unknown, doing: string) => void;
};

export type NotifyWatch = {
  /** Looks now; a timer does this too. */
  readonly look: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const LOOK_MS = 15_000;
const MINUTE_MS = 60_000;
const FIRST_WARNING_MS = WARNING_MINUTES[0] * MINUTE_MS;
/** Machines take some minutes to shut down. */
const PAST_END_MINUTES = 10;

/** Looks until it is closed. An error is reported, and the next look comes in time. */
export function startNotifyWatch(options: WatchOptions): NotifyWatch {
  const { lookMs = LOOK_MS, onError } = options;
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    const now = await options.now();
    await warnOfMachines(options, now);
    await warnOfClosing(options, now);
    await notePastEnd(options, now);
    await noteCost(options, now);
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look().catch((error: unknown) =>
        onError(error, 'looking for what organisers are notified about'),
      );
      await sleep(lookMs, stopping.signal);
    }
  };
  const ended = run();
  return {
    look,
    close: async () => {
      stopping.abort();
      await ended;
    },
  };
}

async function warnOfMachines({ db }: WatchOptions, now: Date): Promise<void> {
  for (const end of await readMachineEnds(db, now, new Date(now.getTime() + FIRST_WARNING_MS)))
    await warn(db, now, { ...end, isClosing: false });
}

async function warnOfClosing({ db, readClosing }: WatchOptions, now: Date): Promise<void> {
  const at = await readClosing();
  if (at === null || dueWarning(at, now) === null) return;
  await warn(db, now, {
    at,
    isClosing: true,
    machines: 0,
    workNotDownloaded: await countWorkNotDownloaded(db),
  });
}

type End = {
  readonly at: Date;
  /** Of the workshop; else of machines. */
  readonly isClosing: boolean;
  readonly machines: number;
  readonly workNotDownloaded: number;
};

async function warn(db: Db, now: Date, { at, isClosing, machines, workNotDownloaded }: End): Promise<void> {
  const minutes = dueWarning(at, now);
  if (minutes === null) return;
  const endsAt = at.toISOString();
  const name = `${isClosing ? 'closing' : 'machines'}/${endsAt}`;
  await addNotification(db, {
    key: `end_soon/${name}/${minutes}`,
    event: 'end_soon',
    data: { minutes, ends_at: endsAt, machines, is_closing: isClosing },
    usefulMs: at.getTime() - now.getTime(),
  });
  if (workNotDownloaded === 0) return;
  await addNotification(db, {
    key: `work_not_downloaded/${name}`,
    event: 'work_not_downloaded',
    data: { machines: workNotDownloaded, ends_at: endsAt },
  });
}

async function notePastEnd({ db, graceMinutes }: WatchOptions, now: Date): Promise<void> {
  const grace = Math.max(graceMinutes, PAST_END_MINUTES) * MINUTE_MS;
  const past = await readPastEnd(db, new Date(now.getTime() - grace));
  if (past === null) return;
  const endedAt = past.endedAt.toISOString();
  await addNotification(db, {
    key: `machines_past_end/${endedAt}`,
    event: 'machines_past_end',
    data: { machines: past.machines, ended_at: endedAt },
  });
}

/** The limit and each multiple of it. */
async function noteCost({ db, costLimitUsd, region }: WatchOptions, now: Date): Promise<void> {
  if (costLimitUsd === 0) return;
  const { usd } = costSoFar(await listVmHours(db), now, region);
  const times = Math.floor(usd / costLimitUsd);
  if (times === 0) return;
  await addNotification(db, {
    key: `cost_limit/${costLimitUsd}/${times}`,
    event: 'cost_limit',
    data: { limit_usd: times * costLimitUsd, usd },
  });
}

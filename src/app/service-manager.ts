// Tells systemd that the allocator is ready, and from then on that it still works: a unit with Type=notify and WatchdogSec
// (deploy/lablink.service) is restarted when these reports stop, because the event loop or the database hangs.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { databaseHangs } from '../db/health.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import type { AppContext } from './context.ts';
import type { Data } from './data.ts';

/** Two reports may fail before systemd acts. */
const REPORTS_PER_PERIOD = 3;
const NOTIFY_TIMEOUT_MS = 10_000;

export type Notices = {
  /** Sends one notice, such as `WATCHDOG=1`. */
  readonly notify: (notice: string) => Promise<unknown>;
  readonly hangs: () => Promise<boolean>;
  readonly log: Log;
  /** From one report to the next; undefined if systemd wants none. */
  readonly everyMs: number | undefined;
};

/** Does nothing where systemd has not started this process. */
export async function openServiceNotices(
  { env, log }: AppContext,
  lifecycle: Lifecycle,
  { database }: Data,
): Promise<void> {
  const { NOTIFY_SOCKET, PATH, WATCHDOG_USEC } = env;
  if (NOTIFY_SOCKET === undefined) return;
  // Node has no datagram sockets of this kind, so systemd's own program sends the notices (NotifyAccess=all).
  const notify = (notice: string) =>
    promisify(execFile)('systemd-notify', [notice], {
      env: { NOTIFY_SOCKET, PATH },
      timeout: NOTIFY_TIMEOUT_MS,
    });
  const periodMs = Number(WATCHDOG_USEC) / 1_000;
  const everyMs = periodMs > 0 ? periodMs / REPORTS_PER_PERIOD : undefined;
  await lifecycle.acquire(
    'notices to systemd',
    () => startNotices({ notify, log, everyMs, hangs: () => databaseHangs(database.connectionString) }),
    (stop) => stop(),
  );
}

/** @returns stops them */
export async function startNotices({ notify, hangs, log, everyMs }: Notices): Promise<() => void> {
  const send = (notice: string): Promise<unknown> =>
    notify(notice).catch((error: unknown) =>
      log.warn({ err: error, notice }, 'systemd could not be notified.'),
    );
  await send('READY=1');
  if (everyMs === undefined) return () => undefined;
  const timer = setInterval(() => void report(), everyMs);
  async function report(): Promise<void> {
    if (await hangs()) log.error({}, 'The database hangs: systemd will restart the allocator.');
    else await send('WATCHDOG=1');
  }
  return () => clearInterval(timer);
}

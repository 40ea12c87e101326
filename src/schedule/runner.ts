// Runs what is planned, at its time, once among all allocators of a database: the lease of the row decides who does.
import { sleep } from '../async/abort.ts';
import { refreshSchedule, renewScheduleLease, takeDue, type ScheduleEntry } from '../db/schedule.ts';
import { describePlan } from '../vms/schedule.ts';
import {
  LeaseLost,
  returnEntry,
  tryEntry,
  type Lease,
  type Running,
  type ScheduleIntervals,
} from './attempt.ts';

const defaultScheduleIntervals: ScheduleIntervals = {
  lookMs: 10_000,
  leaseMs: 30_000,
  renewMs: 5_000,
  busyMs: 5_000,
  downloadAgainMs: 600_000,
  downloadLimitMs: 3 * 3_600_000,
};

export type ScheduleOptions = Omit<Running, 'intervals' | 'stopping'> & {
  readonly randomUuid: () => string;
  readonly intervals?: Partial<ScheduleIntervals>;
};

export type Schedule = {
  /** Runs what is due, and resolves when everything that runs has been tried. Never rejects. */
  readonly look: () => Promise<void>;
  /** Ends downloads, which the next start does again. */
  readonly close: () => Promise<void>;
};

const RESTORED =
  'Its time had come when this database was restored from a backup, so it may have run already. Run it now, or cancel it.';

export async function startSchedule(options: ScheduleOptions): Promise<Schedule> {
  const { db, operations, log } = options;
  const stopping = new AbortController();
  const intervals = { ...defaultScheduleIntervals, ...options.intervals };
  const running: Running = { ...options, intervals, stopping: stopping.signal };
  const attempts = new Set<Promise<void>>();
  const takeAll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const owner = options.randomUuid();
      const entry = await takeDue(db, await options.now(), { owner, leaseMs: intervals.leaseMs });
      if (entry === null) return;
      const tried = attempt(running, entry, owner).finally(() => attempts.delete(tried));
      attempts.add(tried);
    }
  };
  let taking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    taking = taking.then(takeAll).catch((error: unknown) => {
      log.warn({ err: error }, 'An error while looking at the schedule; it is tried again.');
    });
    await taking;
    await Promise.all(attempts);
  };
  await refreshSchedule(db, RESTORED);
  await operations.timer.onTimer(() => void look());
  const looking = (async () => {
    while (!stopping.signal.aborted) {
      // A download takes long; what is due meanwhile does not wait for it.
      void look();
      await sleep(intervals.lookMs, stopping.signal);
    }
  })();
  return {
    look,
    close: async () => {
      stopping.abort();
      await Promise.all([looking, taking]);
      await Promise.all(attempts);
    },
  };
}

/** One try of an entry whose lease this process has. Never rejects. */
async function attempt(running: Running, entry: ScheduleEntry, owner: string): Promise<void> {
  const { log } = running;
  const lost = new AbortController();
  const ended = new AbortController();
  const signal = AbortSignal.any([running.stopping, lost.signal]);
  void keepLease(running, { id: entry.id, owner }, lost, ended.signal);
  const lease: Lease = { running, entry, owner, signal };
  try {
    await tryEntry(lease);
  } catch (error) {
    if (error instanceof LeaseLost || lost.signal.aborted) return;
    if (!signal.aborted) log.warn({ err: error }, `An error while running “${describePlan(entry)}”.`);
    // The next start of a program that stops takes it at once.
    const problem = signal.aborted
      ? entry.problem
      : 'The server failed unexpectedly; its log has the error. It is tried again.';
    await returnEntry(lease, problem, signal.aborted ? 0 : running.intervals.busyMs).catch(
      (failed: unknown) => {
        if (!(failed instanceof LeaseLost))
          log.warn({ err: failed }, 'An entry of the schedule could not be given back.');
      },
    );
  } finally {
    ended.abort();
  }
}

async function keepLease(
  { db, intervals, log }: Running,
  { id, owner }: { readonly id: string; readonly owner: string },
  lost: AbortController,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(intervals.renewMs, signal);
    if (signal.aborted) return;
    try {
      if (!(await renewScheduleLease(db, id, { owner, leaseMs: intervals.leaseMs }))) lost.abort();
    } catch (error) {
      log.warn(
        { err: error },
        'The lease of an entry of the schedule could not be renewed; it is tried again.',
      );
    }
  }
}

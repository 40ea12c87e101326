// One try of an entry whose lease this process has. What the entry becomes is an ordinary operation, written in one transaction with
// the end of the entry.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import { addNotification } from '../db/outbox.ts';
import { findActiveOperation } from '../db/operations.ts';
import { endAttempt, type Attempt, type ScheduleEntry } from '../db/schedule.ts';
import type { Log } from '../log.ts';
import type { NotReady, OperationService } from '../provision/operation-service.ts';
import type { Planned, Requested } from '../provision/request.ts';
import { describeFailure } from '../result.ts';
import { namesOrCount } from '../vms/operation.ts';
import { describePlan, isTooLate, LATE_LAUNCH_MINUTES } from '../vms/schedule.ts';
import type { AuditAction } from '../vms/timeline.ts';
import { wallTimeAt } from '../vms/zoned-time.ts';
import type { Collected, CollectWork } from './collect-work.ts';
import { everything, workAfter, type PlannedMachine, type Work } from './work.ts';

/** All in milliseconds; tests set them short. */
export type ScheduleIntervals = {
  /** Between two looks; the timer of the queue looks in time, this finds what was left behind. */
  readonly lookMs: number;
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Until the next try while another operation runs or the provider is not ready. */
  readonly busyMs: number;
  /** Until the next try after a download that was not complete. */
  readonly downloadAgainMs: number;
  /** For one download. */
  readonly downloadLimitMs: number;
};

/** What every attempt uses. */
export type Running = {
  readonly db: Db;
  readonly operations: Pick<OperationService, 'launch' | 'destroyPlanned' | 'timer'>;
  /** The time of the schedule; see clock.ts. */
  readonly now: () => Promise<Date>;
  readonly collectWork: CollectWork;
  /** The machines that a destroy of all would destroy, or remove from the list. */
  readonly listMachines: () => Promise<readonly PlannedMachine[]>;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly intervals: ScheduleIntervals;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
};

export type Lease = {
  readonly running: Running;
  readonly entry: ScheduleEntry;
  readonly owner: string;
  /** Aborted when the server stops, or the lease is lost. */
  readonly signal: AbortSignal;
};

/** The entry was cancelled, or another process runs it: nothing may be written or started. */
export class LeaseLost extends Error {}

/** A download that fails this often is not tried again: somebody must decide. Six hours. */
const DOWNLOADS_MAX = 36;

/** As operations and the audit name who wanted it. */
function actorOf({ run, scheduledBy }: ScheduleEntry): string {
  return `schedule (${run?.by ?? scheduledBy})`;
}

/** Starts the operation, or says why not. Throws LeaseLost. */
export async function tryEntry(lease: Lease): Promise<void> {
  return lease.entry.kind === 'launch' ? launch(lease) : destroy(lease);
}

async function launch(lease: Lease): Promise<void> {
  const { running, entry } = lease;
  const { id, numVms, hours, attempts } = entry;
  const now = await running.now();
  if (isTooLate(entry, entry.run?.at ?? entry.dueAt, now)) return miss(lease, tooLate(entry));
  const answer = await running.operations.launch({
    ...{ numVms: numVms ?? 0, by: actorOf(entry), hours: hours ?? undefined },
    planned: plannedBy(lease, { state: 'done', attempts, problem: null }),
  });
  if (answer.kind === 'repeated' || answer.kind === 'key_reused')
    throw new Error(`a launch without a key was repeated: ${id}`);
  return settle(lease, answer);
}

function tooLate({ problem }: ScheduleEntry): string {
  const limit = `${LATE_LAUNCH_MINUTES} minutes`;
  return problem === null
    ? `The server was not running at its time, and came back more than ${limit} later: nothing was launched. Run it now, or cancel it.`
    : `It could not start within ${limit}: nothing was launched. ${problem}`;
}

async function destroy(lease: Lease): Promise<void> {
  const { running, entry, signal } = lease;
  const { operations, db } = running;
  // What a launch creates now would be neither downloaded nor destroyed.
  if (await findActiveOperation(db)) return returnEntry(lease, BUSY, running.intervals.busyMs);
  const { archive, problem, ...work } = await collect(lease);
  signal.throwIfAborted();
  const after = await afterDownload(lease, { archive, problem, kept: work.kept });
  const more = (trx: Db): Promise<void> => recordWork(trx, lease, archive, after);
  if (work.hostnames?.length === 0)
    return db.transaction().execute((trx) => end(trx, lease, after, () => more(trx)));
  const planned = plannedBy(lease, after, more);
  const asked = { by: actorOf(entry), hostnames: work.hostnames, assignmentIds: work.assignmentIds, planned };
  return settle(lease, await operations.destroyPlanned(asked), archive);
}

type CollectedWork = Work & Pick<Collected, 'archive' | 'problem'>;

/** Of what organisers are sent. */
const NOTE_CHARACTERS = 1_000;
const BUSY = 'Another operation is running; this one starts when it has ended.';

async function collect(lease: Lease): Promise<CollectedWork> {
  const { listMachines } = lease.running;
  const { download: isWanted, kept } = lease.entry;
  if (!isWanted) return { ...everything(kept), archive: null, problem: '' };
  const before = await listMachines();
  const { whole, ...collected } = await download(lease);
  return {
    ...collected,
    ...workAfter(new Set(whole), { before, now: await listMachines(), again: kept }),
  };
}

async function download({ running, entry, signal }: Lease): Promise<Collected> {
  const { collectWork, intervals } = running;
  const limit = AbortSignal.timeout(intervals.downloadLimitMs);
  try {
    return await collectWork(actorOf(entry), AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || !limit.aborted) throw error;
    return { archive: null, whole: [], problem: 'The download took too long and was ended.' };
  }
}

async function afterDownload(
  { running, entry }: Lease,
  { kept, problem, archive }: Pick<CollectedWork, 'kept' | 'problem' | 'archive'>,
): Promise<Attempt> {
  const attempts = entry.attempts + 1;
  if (kept.length === 0) return { state: 'done', attempts, problem: null, archive };
  const why = `Kept, because the work on them was not downloaded: ${namesOrCount(kept)}. ${problem}`.trim();
  if (attempts >= DOWNLOADS_MAX) return { state: 'missed', attempts, problem: why, kept, archive };
  const retryAt = later(await running.now(), running.intervals.downloadAgainMs);
  return { retryAt, attempts, problem: why, kept, archive };
}

/** Notifies organisers once that machines were kept, and once more when it is not tried again. */
async function recordWork(trx: Db, lease: Lease, archive: string | null, after: Attempt): Promise<void> {
  await recordArchive(trx, lease, archive);
  if (after.problem === null) return;
  if (lease.entry.kept.length === 0) await audit(trx, lease, 'schedule-keep', namesOrCount(after.kept ?? []));
  await announce(trx, lease.entry, after.state === 'missed' ? 'given up' : 'kept', after.problem);
}

async function recordArchive(trx: Db, lease: Lease, archive: string | null): Promise<void> {
  if (archive !== null) await audit(trx, lease, 'schedule-download', archive);
}

function announce(trx: Db, entry: ScheduleEntry, what: string, problem: string): Promise<void> {
  const key = `schedule ${entry.id} ${(entry.run?.at ?? entry.dueAt).toISOString()} ${what}`;
  const data = { problem: `${describePlan(entry)}: ${problem}`.slice(0, NOTE_CHARACTERS) };
  return addNotification(trx, { key, event: 'schedule_problem', data });
}

/** The end of the attempt is there if and only if the operation is. */
function plannedBy(lease: Lease, after: Attempt, more?: (trx: Db) => Promise<void>): Planned {
  return {
    scheduleId: lease.entry.id,
    inSameTransaction: (trx) => end(trx, lease, after, () => more?.(trx)),
  };
}

/** @param archive what was downloaded for it */
async function settle(
  lease: Lease,
  answer: Requested | NotReady,
  archive: string | null = null,
): Promise<void> {
  const { running, entry } = lease;
  switch (answer.kind) {
    case 'accepted':
      running.log.info(
        { operation: answer.operation.id },
        `Planned, and started now: ${describePlan(entry)}.`,
      );
      return;
    case 'busy':
      return returnEntry(lease, BUSY, running.intervals.busyMs, archive);
    case 'not_ready':
      return returnEntry(lease, describeFailure(answer.failure), running.intervals.busyMs, archive);
  }
}

/** The entry waits for another try; 0 ms = at once. Throws LeaseLost. */
export async function returnEntry(
  lease: Lease,
  problem: string | null,
  ms: number,
  archive: string | null = null,
): Promise<void> {
  const { running, entry } = lease;
  const { attempts, kept } = entry;
  const retryAt = ms === 0 ? null : later(await running.now(), ms);
  await running.db
    .transaction()
    .execute((trx) =>
      end(trx, lease, { retryAt, attempts, problem, kept, archive }, () =>
        recordArchive(trx, lease, archive),
      ),
    );
}

async function miss(lease: Lease, problem: string): Promise<void> {
  const { running, entry } = lease;
  running.log.warn({}, `Not started: ${describePlan(entry)}. ${problem}`);
  await running.db.transaction().execute((trx) =>
    end(trx, lease, { state: 'missed', attempts: entry.attempts, problem }, async () => {
      await audit(
        trx,
        lease,
        'schedule-missed',
        `${describePlan(entry)}, at ${wallTimeAt(entry.dueAt, 'UTC')} UTC`,
      );
      await announce(trx, entry, 'missed', problem);
    }),
  );
}

/** Throws LeaseLost. */
async function end(
  db: Db,
  { entry, owner }: Lease,
  after: Attempt,
  more: () => Promise<void> | undefined = () => undefined,
): Promise<void> {
  if (!(await endAttempt(db, { id: entry.id, owner }, after))) throw new LeaseLost();
  await more();
}

function audit(trx: Db, { entry }: Lease, what: AuditAction, detail: string): Promise<void> {
  return recordAuditEvent(trx, { who: actorOf(entry), what, detail });
}

function later(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}

// The schedule: planned launches and destroys. Who runs an entry holds the lease of its row, and writes only while it does.
import { sql, type Selectable, type UpdateObject } from 'kysely';
import { readOperationKind } from '../vms/operation.ts';
import {
  describePlan,
  openStates,
  readScheduleState,
  type Plan,
  type ScheduleState,
} from '../vms/schedule.ts';
import type { AuditAction } from '../vms/timeline.ts';
import { momentOf } from '../vms/zoned-time.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import type { DB, Schedule } from './schema.gen.ts';

export type ScheduleEntry = Plan & {
  readonly id: string;
  readonly state: ScheduleState;
  /** Who added it, or changed it last. */
  readonly scheduledBy: string;
  readonly createdAt: Date;
  /** Somebody asked to run it at once. */
  readonly run: { readonly by: string; readonly at: Date } | null;
  /** When it is tried again; null: at its time. */
  readonly retryAt: Date | null;
  /** How often it has been tried and not done. */
  readonly attempts: number;
  /** Why it has not been done; null: nothing is wrong. */
  readonly problem: string | null;
  /** VMs that were not destroyed because their files were not downloaded. */
  readonly kept: readonly string[];
  /** Where the downloaded files are, one place for each download. */
  readonly archives: readonly string[];
  readonly endedAt: Date | null;
  /** Its newest operation. */
  readonly operationId: string | null;
};

/** Ended entries that are listed; older ones are removed. */
const ENDED_KEPT = 100;

type Row = Selectable<Schedule> & { readonly operation_id: string | null };

function readRow(row: Row): ScheduleEntry {
  return {
    id: row.id,
    kind: readOperationKind(row.kind),
    wallTime: row.wall_time,
    zone: row.zone,
    dueAt: row.due_at,
    numVms: row.num_vms,
    hours: row.hours,
    download: row.download,
    state: readScheduleState(row.state),
    scheduledBy: row.scheduled_by,
    createdAt: row.created_at,
    run: row.run_by !== null && row.run_at !== null ? { by: row.run_by, at: row.run_at } : null,
    retryAt: row.retry_at,
    attempts: row.attempts,
    problem: row.problem,
    kept: row.kept,
    archives: row.archives,
    endedAt: row.ended_at,
    operationId: row.operation_id,
  };
}

function selectEntries(db: Db) {
  return db
    .selectFrom('schedule as s')
    .selectAll('s')
    .select((build) =>
      build
        .selectFrom('operations as o')
        .select('o.id')
        .whereRef('o.schedule_id', '=', 's.id')
        .orderBy('o.number', 'desc')
        .limit(1)
        .as('operation_id'),
    );
}

/** What is still to come or to be decided, in the order of its time; then what has ended, newest first. */
export async function listSchedule(db: Db): Promise<ScheduleEntry[]> {
  const [open, ended] = await Promise.all([
    selectEntries(db).where('state', 'in', openStates).orderBy('due_at').orderBy('created_at').execute(),
    selectEntries(db)
      .where('state', 'not in', openStates)
      .orderBy('ended_at', 'desc')
      .limit(ENDED_KEPT)
      .execute(),
  ]);
  return [...open, ...ended].map(readRow);
}

export async function findScheduled(db: Db, id: string): Promise<ScheduleEntry | null> {
  const row = await selectEntries(db).where('s.id', '=', id).executeTakeFirst();
  return row ? readRow(row) : null;
}

function columnsOf(plan: Plan) {
  const { kind, wallTime, zone, dueAt, numVms, hours, download } = plan;
  return { kind, wall_time: wallTime, zone, due_at: dueAt, num_vms: numVms, hours, download };
}

/** False where there are `max` open ones already. */
export async function addScheduled(
  db: Db,
  {
    id,
    plan,
    who,
    max,
  }: { readonly id: string; readonly plan: Plan; readonly who: string; readonly max: number },
): Promise<boolean> {
  await sql`lock table schedule in share row exclusive mode`.execute(db);
  const { count } = await db
    .selectFrom('schedule')
    .select((build) => build.fn.countAll<number>().as('count'))
    .where('state', 'in', openStates)
    .executeTakeFirstOrThrow();
  if (count >= max) return false;
  await db
    .insertInto('schedule')
    .values({ id, ...columnsOf(plan), scheduled_by: who })
    .execute();
  await audit(db, who, 'schedule-add', plan);
  await sql`delete from schedule where id in (select id from schedule where state in ('done', 'cancelled')
    order by ended_at desc offset ${ENDED_KEPT})`.execute(db);
  return true;
}

/** `same`: it was so already. `conflict`: the entry has run, runs now, or has ended meanwhile. */
export type Changed = 'changed' | 'same' | 'conflict' | 'unknown';

export async function changeScheduled(
  db: Db,
  { id, plan, who }: { readonly id: string; readonly plan: Plan; readonly who: string },
): Promise<Changed> {
  const { numUpdatedRows } = await db
    .updateTable('schedule')
    .set({ ...columnsOf(plan), ...ANEW, scheduled_by: who })
    .where('id', '=', id)
    .where('state', 'in', ['pending', 'skipped', 'missed'])
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return (await findScheduled(db, id)) ? 'conflict' : 'unknown';
  await audit(db, who, 'schedule-change', plan);
  return 'changed';
}

/** The columns of an entry that waits for its time. */
const ANEW = {
  ...{ state: 'pending', run_by: null, run_at: null, retry_at: null, attempts: 0, problem: null },
  kept: sql<string[]>`'{}'`,
  archives: sql<string[]>`'{}'`,
};

export type ScheduleAction = 'cancel' | 'skip' | 'resume' | 'run' | 'run-without-download';

const auditOf = {
  cancel: 'schedule-cancel',
  skip: 'schedule-skip',
  resume: 'schedule-resume',
  run: 'schedule-run',
  'run-without-download': 'schedule-run',
} as const satisfies Record<ScheduleAction, AuditAction>;

/** @param now the database's time */
export async function actOnScheduled(
  db: Db,
  action: ScheduleAction,
  { id, who, now }: { readonly id: string; readonly who: string; readonly now: Date },
): Promise<Changed> {
  const row = await selectEntries(db).where('s.id', '=', id).forUpdate('s').executeTakeFirst();
  if (!row) return 'unknown';
  const entry = readRow(row);
  const change = changeFor(action, entry, { who, now });
  if (change === 'same' || change === 'conflict') return change;
  await db.updateTable('schedule').set(change).where('id', '=', id).execute();
  await audit(db, who, auditOf[action], {
    ...entry,
    ...(action === 'run-without-download' && { download: false }),
  });
  return 'changed';
}

type Change = UpdateObject<DB, 'schedule'> | 'same' | 'conflict';

function changeFor(
  action: ScheduleAction,
  entry: ScheduleEntry,
  { who, now }: { readonly who: string; readonly now: Date },
): Change {
  const { state, dueAt } = entry;
  switch (action) {
    case 'cancel':
      if (state === 'cancelled') return 'same';
      return state === 'done' ? 'conflict' : { ...CANCELLED, ended_at: sql<Date>`now()` };
    case 'skip':
      if (state === 'skipped') return 'same';
      return state === 'pending' ? { ...ANEW, state: 'skipped' } : 'conflict';
    case 'resume':
      if (state === 'pending') return 'same';
      return state === 'skipped' && dueAt > now ? { state: 'pending' } : 'conflict';
    case 'run-without-download':
      if (entry.kind === 'launch') return 'conflict';
      return runNow(entry, { who, now, download: false });
    case 'run':
      return runNow(entry, { who, now, download: entry.download });
  }
}

/** The lease ends too: who runs it notices, and stops. */
const CANCELLED = { state: 'cancelled', lease_owner: null, lease_until: null };

function runNow(
  { state, run, retryAt, download: before }: ScheduleEntry,
  { who, now, download }: { readonly who: string; readonly now: Date; readonly download: boolean },
): Change {
  if (state === 'running') return 'same';
  if (state === 'done' || state === 'cancelled') return 'conflict';
  if (state === 'pending' && run !== null && retryAt === null && download === before) return 'same';
  return { state: 'pending', run_by: who, run_at: now, retry_at: null, problem: null, download };
}

async function audit(db: Db, who: string, what: AuditAction, plan: Plan): Promise<void> {
  const detail = `${describePlan(plan)}, at ${plan.wallTime.replace('T', ' ')} ${plan.zone}`;
  await recordAuditEvent(db, { who, what, detail });
}

type Lease = {
  /** Unique for each attempt of each process. */
  readonly owner: string;
  readonly leaseMs: number;
};

/** Takes the first entry whose time has come, or whose runner is gone; null if there is none. @param now the schedule's time */
export async function takeDue(db: Db, now: Date, lease: Lease): Promise<ScheduleEntry | null> {
  const { rows } = await sql<Row>`
    update schedule set state = 'running', lease_owner = ${lease.owner}, lease_until = ${leaseEnd(lease)}
    where id = (
      select id from schedule
      where (state = 'pending' and (run_at is not null or due_at <= ${now}) and (retry_at is null or retry_at <= ${now}))
        or (state = 'running' and lease_until < now())
      order by coalesce(run_at, due_at), created_at limit 1 for update skip locked)
    returning *, null as operation_id`.execute(db);
  const [row] = rows;
  return row ? readRow(row) : null;
}

/** False if this owner no longer has the lease: the entry was cancelled, or somebody else runs it. */
export async function renewScheduleLease(db: Db, id: string, lease: Lease): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('schedule')
    .set({ lease_until: leaseEnd(lease) })
    .where('id', '=', id)
    .where('lease_owner', '=', lease.owner)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

function leaseEnd({ leaseMs }: Lease) {
  return sql<Date>`now() + make_interval(secs => ${leaseMs / 1_000})`;
}

/** What became of an attempt. Without `state`, the entry waits for the next one. */
export type Attempt = {
  readonly state?: 'done' | 'missed';
  readonly retryAt?: Date | null;
  readonly attempts: number;
  readonly problem: string | null;
  readonly kept?: readonly string[];
  readonly archive?: string | null;
};

/** Ends an attempt, and the lease; false if this owner no longer has it. */
export async function endAttempt(
  db: Db,
  { id, owner }: { readonly id: string; readonly owner: string },
  { state = null, retryAt = null, attempts, problem, kept = [], archive = null }: EndedAttempt,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('schedule')
    .set({
      state: state ?? 'pending',
      ended_at: state === 'done' ? sql<Date>`now()` : null,
      ...{ lease_owner: null, lease_until: null, retry_at: retryAt, attempts, problem },
      kept: [...kept],
      archives: sql<string[]>`array_remove(archives || ${archive}::text, null)`,
    })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

type EndedAttempt = Omit<Attempt, 'state'> & { readonly state?: 'done' | 'missed' | null };

/**
 * At a start: instants by the present rules of zones; and entries of a restored backup whose time had come by then are not run,
 * because nobody knows whether they were.
 */
export async function refreshSchedule(db: Db, restoredProblem: string): Promise<void> {
  const rows = await db
    .selectFrom('schedule')
    .select(['id', 'wall_time', 'zone', 'due_at'])
    .where('state', 'in', ['pending', 'skipped'])
    .execute();
  for (const { id, wall_time: wallTime, zone, due_at: before } of rows) {
    const { at } = momentOf(wallTime, zone);
    if (at.getTime() !== before.getTime())
      await db
        .updateTable('schedule')
        .set({ due_at: at })
        .where('id', '=', id)
        // Another allocator may have changed it since.
        .where('wall_time', '=', wallTime)
        .where('zone', '=', zone)
        .execute();
  }
  await sql`update schedule set state = 'missed', problem = ${restoredProblem}, lease_owner = null, lease_until = null
    from deployment_identity
    where state in ('pending', 'running') and coalesce(run_at, due_at) <= restored_at and created_at <= restored_at`.execute(
    db,
  );
}

// The schedule: what is planned, and what an admin changes about it.
import { callerName } from '../contract/caller.ts';
import type { Caller, HandlersOf, Input, Reply } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, ProblemError, type FieldError } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import {
  actOnScheduled,
  addScheduled,
  changeScheduled,
  findScheduled,
  listSchedule,
  type Changed,
  type ScheduleAction,
  type ScheduleEntry,
} from '../db/schedule.ts';
import { viewerOf } from '../contract/role.ts';
import { renderSchedule, type ScheduleDone, type ScheduleForm } from '../pages/schedule.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { ENTRIES_MAX, readPlan, scheduleMessage, type Plan } from '../vms/schedule.ts';
import { momentOf } from '../vms/zoned-time.ts';
import { json, page, see } from './replies.ts';

export type ScheduleDependencies = {
  readonly db: Db;
  readonly operations: Pick<OperationService, 'timer' | 'provider' | 'defaultHours'>;
  readonly scheduleClock: { readonly read: () => Promise<Date>; readonly jumpMs: () => number };
  readonly maxVmsPerLaunch: number;
  readonly randomUuid: () => string;
  readonly site?: string;
};

const PAGE = '/admin/schedule';

export function createScheduleHandlers(dependencies: ScheduleDependencies): HandlersOf<'schedule'> {
  const act = (input: ActionInput, action: ScheduleAction) => actOn(dependencies, input, action);
  return {
    getSchedule: async () => json((await readSchedule(dependencies)).schedule),
    getScheduled: async ({ path }) => json(await entryView(dependencies, path.id)),
    addScheduled: (input) => add(dependencies, input),
    changeScheduled: (input) => change(dependencies, input),
    cancelScheduled: (input) => act(input, 'cancel'),
    skipScheduled: (input) => act(input, 'skip'),
    resumeScheduled: (input) => act(input, 'resume'),
    runScheduled: (input) => act(input, 'run'),
    runScheduledWithoutDownload: (input) => act(input, 'run-without-download'),
    schedulePage: async ({ query, caller }) => {
      const changed = query.change === undefined ? null : await entryOf(dependencies, query.change);
      return page(
        await schedulePage(dependencies, {
          caller,
          done: query.done ?? null,
          form: changed && { id: changed.id, values: formOf(changed), errors: [] },
        }),
      );
    },
  };
}

export function scheduledView(entry: ScheduleEntry): components['schemas']['ScheduleEntry'] {
  const { id, kind, wallTime, zone, dueAt, numVms, hours, download, state, scheduledBy } = entry;
  return {
    ...{ id, kind, time: wallTime, zone, hours, download, state, archives: [...entry.archives] },
    due_at: dueAt.toISOString(),
    shift: momentOf(wallTime, zone).shift,
    num_vms: numVms,
    message: scheduleMessage(entry),
    scheduled_by: scheduledBy,
    run_at: entry.run?.at.toISOString() ?? null,
    retry_at: entry.retryAt?.toISOString() ?? null,
    kept: [...entry.kept],
    ended_at: entry.endedAt?.toISOString() ?? null,
    operation_id: entry.operationId,
  };
}

/** `now`: the time of the schedule. */
async function readSchedule({ db, scheduleClock }: ScheduleDependencies): Promise<{
  readonly schedule: components['schemas']['Schedule'];
  readonly now: Date;
}> {
  const [entries, now] = await Promise.all([listSchedule(db), scheduleClock.read()]);
  const items = entries.map(scheduledView);
  return { schedule: { items, clock_jump_seconds: Math.round(scheduleClock.jumpMs() / 1_000) }, now };
}

async function entryOf({ db }: ScheduleDependencies, id: string): Promise<ScheduleEntry> {
  const entry = await findScheduled(db, id);
  if (entry === null) throw new ProblemError('scheduled_not_found');
  return entry;
}

async function entryView(dependencies: ScheduleDependencies, id: string) {
  return scheduledView(await entryOf(dependencies, id));
}

type Shown = {
  readonly caller: Caller;
  readonly done?: ScheduleDone | null;
  /** What was typed, or is to be changed; null: an empty form. `id`: of the entry that it changes. */
  readonly form?: {
    readonly id: string | null;
    readonly values: ScheduleForm;
    readonly errors: readonly FieldError[];
  } | null;
};

async function schedulePage(
  dependencies: ScheduleDependencies,
  { caller, done = null, form = null }: Shown,
): Promise<string> {
  const { site, operations, maxVmsPerLaunch } = dependencies;
  return renderSchedule({
    ...{ site, done, form, viewer: viewerOf(caller) },
    ...(await readSchedule(dependencies)),
    launches: operations.provider.creates,
    maxVms: maxVmsPerLaunch,
    defaultHours: operations.defaultHours,
  });
}

async function add(
  dependencies: ScheduleDependencies,
  input: Input<'addScheduled'>,
): Promise<Reply<'addScheduled'>> {
  const { db, operations, randomUuid } = dependencies;
  const plan = await planOf(dependencies, input.body);
  if (!plan.ok) return refuse(dependencies, input, { id: null, errors: plan.failure });
  const id = randomUuid();
  const who = callerName(input.caller);
  const isAdded = await db.transaction().execute(async (trx) => {
    const added = await addScheduled(trx, { id, plan: plan.value, who, max: ENTRIES_MAX });
    if (added) await operations.timer.setTimer(trx, plan.value.dueAt);
    return added;
  });
  if (!isAdded) throw new ProblemError('schedule_full');
  if (input.accept === 'text/html') return seeSchedule('added');
  return { status: 201, type: 'application/json', body: await entryView(dependencies, id) };
}

async function change(
  dependencies: ScheduleDependencies,
  input: Input<'changeScheduled'>,
): Promise<Reply<'changeScheduled'>> {
  const { db, operations } = dependencies;
  const { id } = input.path;
  const plan = await planOf(dependencies, input.body);
  if (!plan.ok) return refuse(dependencies, input, { id, errors: plan.failure });
  const changed = await db.transaction().execute(async (trx) => {
    const result = await changeScheduled(trx, { id, plan: plan.value, who: callerName(input.caller) });
    if (result === 'changed') await operations.timer.setTimer(trx, plan.value.dueAt);
    return result;
  });
  if (changed === 'conflict' && input.accept === 'text/html') return seeSchedule('late');
  throwUnlessDone(changed);
  return input.accept === 'text/html' ? seeSchedule('changed') : json(await entryView(dependencies, id));
}

type ActionInput = {
  readonly path: { readonly id: string };
  readonly caller: Caller;
  readonly accept: string;
};

const doneBy = {
  cancel: 'cancelled',
  skip: 'skipped',
  resume: 'resumed',
  run: 'run',
  'run-without-download': 'run',
} as const satisfies Record<ScheduleAction, ScheduleDone>;

async function actOn(dependencies: ScheduleDependencies, input: ActionInput, action: ScheduleAction) {
  const { db, operations, scheduleClock } = dependencies;
  const { id } = input.path;
  const now = await scheduleClock.read();
  const changed = await db.transaction().execute(async (trx) => {
    const result = await actOnScheduled(trx, action, { id, who: callerName(input.caller), now });
    if (result === 'changed' && doneBy[action] === 'run') await operations.timer.setTimer(trx, now);
    return result;
  });
  // A second click, or one in a tab from before.
  if (changed === 'conflict' && input.accept === 'text/html') return seeSchedule('late');
  throwUnlessDone(changed);
  return input.accept === 'text/html' ? seeSchedule(doneBy[action]) : json(await entryView(dependencies, id));
}

function throwUnlessDone(changed: Changed): void {
  if (changed === 'unknown') throw new ProblemError('scheduled_not_found');
  if (changed === 'conflict') throw new ProblemError('schedule_state');
}

type Body = Input<'addScheduled'>['body'];

/** A server that launches nothing has nothing to plan. */
async function planOf({ scheduleClock, maxVmsPerLaunch, operations }: ScheduleDependencies, body: Body) {
  if (!operations.provider.creates)
    throw new ProblemError('provider_not_ready', { detail: LAUNCHES_NOTHING });
  return readPlan(withoutBox(body), { now: await scheduleClock.read(), maxVms: maxVmsPerLaunch });
}

/** The box of the page, which is ticked from the start: without scripts it is sent with a launch too. */
function withoutBox(body: Body): Body {
  const { download, ...others } = body;
  return body.kind === 'launch' && typeof download === 'string' ? others : body;
}

const LAUNCHES_NOTHING = 'This server does not launch or destroy machines, so there is nothing to plan.';

async function refuse(
  dependencies: ScheduleDependencies,
  { accept, body, caller }: Pick<Input<'addScheduled'>, 'accept' | 'body' | 'caller'>,
  { id, errors }: { readonly id: string | null; readonly errors: readonly FieldError[] },
) {
  if (accept !== 'text/html') return problem('invalid_request', { errors });
  const { num_vms: numVms = '', hours = '', download = '' } = body;
  const values = {
    ...body,
    num_vms: String(numVms),
    hours: String(hours),
    download: String(download) === 'true',
  };
  const html = await schedulePage(dependencies, { caller, form: { id, values, errors } });
  return { status: 400, type: 'text/html', body: html } as const;
}

function formOf({ kind, wallTime, zone, numVms, hours, download }: Plan): ScheduleForm {
  return { kind, time: wallTime, zone, num_vms: String(numVms ?? ''), hours: String(hours ?? ''), download };
}

function seeSchedule(done: ScheduleDone) {
  return see(`${PAGE}?done=${done}`);
}

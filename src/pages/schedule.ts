// The organiser's page of the schedule: what will happen and when, what became of it, and the form that plans it.
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import { namesOrCount } from '../vms/operation.ts';
import { describePlan, isOpen, shiftSentence } from '../vms/schedule.ts';
import { counted, momentView } from './format.ts';
import { operationPageHref } from './hrefs.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { sayUntil } from './spans.ts';

type Entry = components['schemas']['ScheduleEntry'];

export type ScheduleDone = 'added' | 'changed' | 'cancelled' | 'skipped' | 'resumed' | 'run' | 'late';

/** As it was typed. */
export type ScheduleForm = {
  readonly kind: Entry['kind'];
  readonly time: string;
  readonly zone: string;
  readonly num_vms: string;
  readonly hours: string;
  readonly download: boolean;
};

export type ScheduleModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly schedule: components['schemas']['Schedule'];
  readonly done: ScheduleDone | null;
  /** `id`: of the entry that it changes; null: a new one. */
  readonly form: {
    readonly id: string | null;
    readonly values: ScheduleForm;
    readonly errors: readonly FieldError[];
  } | null;
  readonly now: Date;
  readonly launches: boolean;
  readonly maxVms: number;
  /** Null: machines do not shut down. */
  readonly defaultHours: number | null;
};

const doneSentences = {
  added: 'It is planned.',
  changed: 'The change is saved.',
  cancelled: 'It is cancelled. An operation that it has started goes on; you can cancel that too.',
  skipped: 'It is skipped. You can resume it until its time.',
  resumed: 'It runs at its time.',
  run: 'It starts now.',
  late: 'Nothing was changed: the entry runs already, or has ended, or its time has passed. The list below shows which.',
} as const satisfies Record<ScheduleDone, string>;

const HERE = '/admin/schedule';
const REFRESH_SECONDS = 20;

export function renderSchedule(model: ScheduleModel): string {
  const { schedule, done, now, launches } = model;
  const wanted = model.form?.id ?? null;
  // A page that was opened a while ago, or a link that was kept.
  const isLate =
    wanted !== null && !schedule.items.some((entry) => entry.id === wanted && isChangeable(entry));
  const form = isLate ? null : model.form;
  const errors = form?.errors ?? [];
  const open = schedule.items.filter(({ state }) => isOpen(state));
  const ended = schedule.items.filter(({ state }) => !isOpen(state));
  return render('schedule', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: 'Schedule',
      area: 'admin',
      current: HERE,
      styles: ['admin.css'],
      modules: ['live-page.js', 'schedule.js'],
      isError: errors.length > 0,
      ...(form === null && { refresh: { seconds: REFRESH_SECONDS, href: HERE } }),
    }),
    done: done && doneSentences[done],
    jump: schedule.clock_jump_seconds === 0 ? null : sayJump(schedule.clock_jump_seconds),
    launches,
    anyOpen: open.length > 0,
    open: open.map((entry) => ({ ...scheduledView(entry, now), ...buttonsView(entry, now) })),
    anyEnded: ended.length > 0,
    ended: ended.map((entry) => scheduledView(entry, now)),
    isLate,
    form: isLate ? null : formView(model, errors),
  });
}

function isChangeable({ state }: Entry): boolean {
  return state === 'pending' || state === 'skipped' || state === 'missed';
}

const SECONDS_PER_MINUTE = 60;

function sayJump(seconds: number): string {
  const minutes = Math.round(seconds / SECONDS_PER_MINUTE);
  return `The clock of the database has jumped forward by ${minutes} minutes. Nothing starts because of that: what was planned for this time waits until as much time has passed. Check the clock, then run the entries that are due, or restart the server.`;
}

const stateViews = {
  pending: { status: 'queued', label: 'Planned' },
  running: { status: 'busy', label: 'Running' },
  missed: { status: 'error', label: 'Missed' },
  skipped: { status: 'unused', label: 'Skipped' },
  cancelled: { status: 'unused', label: 'Cancelled' },
  done: { status: 'ok', label: 'Started' },
} as const satisfies Record<Entry['state'], { status: string; label: string }>;

/** For this page, and for the overview. */
export function scheduledView(entry: Entry, now: Date): View {
  const { id, time, zone, archives, operation_id: operationId } = entry;
  return {
    id,
    what: describePlan({ ...entry, numVms: entry.num_vms }),
    hours: entry.hours === null ? null : counted(entry.hours, 'hour'),
    at: `${time.replace('T', ' ')} ${zone}`,
    // Said once where the zone is UTC.
    utc: zone === 'UTC' ? null : momentView(entry.due_at),
    ...standingView(entry, now),
    by: entry.scheduled_by,
    archives,
    operation: operationId === null ? null : operationPageHref(operationId),
  };
}

/** What was tried says what is wrong; what was not says when it will be, and what daylight saving does to it. */
function standingView(
  { state, time, zone, due_at: dueAt, run_at: runAt, shift, message, retry_at: retryAt }: Entry,
  now: Date,
): View {
  if (state === 'pending' && retryAt === null && runAt !== null)
    return { ...ABOUT_TO_RUN, until: null, shift: null, message: null, retry: null };
  if (state === 'pending' && retryAt === null)
    return {
      ...stateViews.pending,
      until: Date.parse(dueAt) - now.getTime() < SOON_MS ? sayUntil(dueAt, now) : null,
      shift: shiftSentence({ at: new Date(dueAt), shift }, time, zone),
      message: null,
      retry: null,
    };
  const isWaiting = state === 'pending';
  return {
    ...(isWaiting ? WAITING : stateViews[state]),
    until: null,
    shift: null,
    message,
    retry: isWaiting && retryAt !== null && Date.parse(retryAt) > now.getTime() ? momentView(retryAt) : null,
  };
}

/** Farther away, hours say nothing. */
const SOON_MS = 48 * 3_600_000;

const WAITING = { status: 'busy', label: 'Waiting' };
/** Until an allocator takes it. */
const ABOUT_TO_RUN = { status: 'busy', label: 'About to run' };

function buttonsView(entry: Entry, now: Date): View {
  const { id, state, kind, download, due_at: dueAt } = entry;
  const action = (name: string): string => `/api/v1/schedule/${id}/${name}`;
  const what = describePlan({ ...entry, numVms: entry.num_vms });
  const isDestroy = kind === 'destroy';
  const confirm = (name: string, label: string, sentence: string, danger: boolean): View => ({
    ...{ key: `${id}-${name}`, label, about: what, who: null, what: sentence, work: null, danger },
    action: action(name),
  });
  const isWaiting = isChangeable(entry);
  const runs = isWaiting
    ? [
        confirm('run', 'Run now', isDestroy ? destroyNow(entry.kept, download) : LAUNCH_NOW, isDestroy),
        ...(entry.kept.length > 0
          ? [
              confirm(
                'run-without-download',
                'Destroy without downloading',
                destroyNow(entry.kept, false),
                true,
              ),
            ]
          : []),
      ]
    : [];
  return {
    confirms: runs,
    changeHref: isWaiting ? `${HERE}?change=${id}#plan` : null,
    posts: [
      ...(state === 'skipped' && Date.parse(dueAt) > now.getTime()
        ? [{ label: 'Resume', name: `Resume: ${what}`, action: action('resume') }]
        : []),
      ...(state === 'pending' ? [{ label: 'Skip', name: `Skip: ${what}`, action: action('skip') }] : []),
      { label: 'Cancel', name: `Cancel: ${what}`, action: action('cancel') },
    ],
  };
}

const LAUNCH_NOW = 'The launch starts now, or as soon as no other operation runs.';
/** What is kept is meant again, and nothing else. */
function destroyNow(kept: readonly string[], download: boolean): string {
  const names = kept.length === 0 ? null : namesOrCount(kept);
  if (download)
    return names === null
      ? 'The files of all participants are downloaded now; then the machines are destroyed.'
      : `The files are downloaded now; then the machines that were kept are destroyed: ${names}.`;
  const which =
    names === null ? 'All machines are destroyed now.' : `These machines are destroyed now: ${names}.`;
  return `${which} Work that was not downloaded is lost.`;
}

const fieldLabels: Readonly<Record<string, string>> = {
  kind: 'What happens',
  time: 'The time',
  zone: 'The time zone',
  num_vms: 'The number of machines',
  hours: 'The number of hours',
  download: 'The download',
};

function formView(
  { form, schedule, maxVms, defaultHours }: ScheduleModel,
  errors: readonly FieldError[],
): View {
  const last = schedule.items[0]?.zone ?? 'UTC';
  const values: ScheduleForm = form?.values ?? {
    ...{ kind: 'launch', time: '', zone: last, num_vms: '', hours: '', download: true },
  };
  const id = form?.id ?? null;
  const isLaunch = values.kind === 'launch';
  const messages = errors.map(({ field, message }) => ({
    field,
    anchor: field.replaceAll('_', '-'),
    message: `${(fieldLabels[field] ?? field) + message.slice(field.length)}.`,
  }));
  return {
    isChange: id !== null,
    action: id === null ? '/api/v1/schedule' : `/api/v1/schedule/${id}`,
    // A launch says nothing about a download: the box is as in an empty form, should it become a destroy.
    values: { ...values, isLaunch, isDestroy: !isLaunch, download: isLaunch || values.download },
    isNew: form === null && schedule.items.length === 0,
    hasErrors: errors.length > 0,
    wrong: messages,
    errors: Object.fromEntries(
      Object.keys(fieldLabels).map((name) => [
        name,
        messages.find(({ field }) => field === name)?.message ?? null,
      ]),
    ),
    zones: ZONES.map((zone) => ({ zone })),
    maxVms,
    defaultHours,
  };
}

/** To choose from; others are accepted too. */
const ZONES = ['UTC', ...Intl.supportedValuesOf('timeZone')];

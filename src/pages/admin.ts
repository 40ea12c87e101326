// The overview, the admin's first page: what needs attention, how many machines there are, what runs.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { queueSentence } from '../vms/waiting.ts';
import type { FleetLine } from './fleet.ts';
import { codeSpans, counted } from './format.ts';
import { layoutView } from './layout.ts';
import { timeView } from './machine-row.ts';
import { operationView } from './operations.ts';
import { render, type View } from './render.ts';
import { vmPageHref } from './hrefs.ts';
import { scheduledView } from './schedule.ts';
import { shareView } from './share.ts';
import { launchView } from './waiting-list.ts';
import { workView, type WorkModel } from './work.ts';

type Overview = components['schemas']['Overview'];
type Attention = components['schemas']['Attention'];
type Checks = components['schemas']['Health']['checks'];

export type AdminModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  /** Null while the database cannot be reached. */
  readonly lab: Overview | null;
  readonly checks: Checks;
  /** Whether this server launches machines itself. */
  readonly launches: boolean;
  /** Null where nothing was launched, or the database cannot be reached. */
  readonly fleetLine?: FleetLine | null;
  /** Absent while the database cannot be reached. */
  readonly work?: WorkModel;
  /** Null while the database cannot be reached. */
  readonly share?: components['schemas']['Settings'] | null;
  readonly now: Date;
};

/** The overview lists so many machines that need attention, and counts the others. */
const ATTENTION_SHOWN = 12;

export function renderAdmin(model: AdminModel): string {
  const { lab, checks, launches, now } = model;
  return render('admin', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: 'Overview',
      area: 'admin',
      current: '/admin',
      styles: ['admin.css'],
      modules: ['live-page.js', 'downloads.js'],
    }),
    checks: checks.map((check) => checkView(check, launches)),
    isHealthy: checks.every((check) => isUnused(check, launches) || (check.ok && check.detail === undefined)),
    isBroken: checks.some((check) => !check.ok && !isUnused(check, launches)),
    lab: lab && labView(lab, now, launches),
    isEmpty: lab?.total === 0,
    launches,
    fleetLine: model.fleetLine ?? null,
    share: model.share ? shareView(model.share) : null,
    work: model.work ? workView(model.work) : null,
  });
}

const checkLabels: Readonly<Record<string, string>> = {
  database: 'Database',
  listener: 'Listener',
  operations: 'Operation queue',
  provisioning: 'Provisioning',
  configuration: 'Configuration',
};

/** A server that launches nothing needs no provisioning. */
function isUnused({ name }: Checks[number], launches: boolean): boolean {
  return name === 'provisioning' && !launches;
}

function checkView(check: Checks[number], launches: boolean): View {
  const { name, ok, detail } = check;
  const unused = isUnused(check, launches);
  return {
    label: checkLabels[name] ?? name,
    ...(unused ? UNUSED : verdictOf(ok, detail !== undefined)),
    detail: detail === undefined ? null : codeSpans(detail),
  };
}

const UNUSED = { status: 'unused', verdict: 'Not used' };

/** What is OK and has a detail all the same is a warning. */
function verdictOf(ok: boolean, hasDetail: boolean): { readonly status: string; readonly verdict: string } {
  if (!ok) return { status: 'error', verdict: 'Not OK' };
  return hasDetail ? { status: 'busy', verdict: 'Warning' } : { status: 'running', verdict: 'OK' };
}

function labView(lab: Overview, now: Date, launches: boolean): View {
  const { total, free, reserved, assigned, in_use, starting, failed, attention, unmatched, waiting } = lab;
  const noneFree = total > 0 && free + reserved + starting + waiting === 0;
  return {
    ...{ total, free, reserved, assigned, in_use, starting, failed },
    noneFree,
    queue: waiting > 0 && {
      sentence: queueSentence(waiting, lab.missing),
      launch: launches ? launchView(lab.missing) : null,
    },
    attention: attention.slice(0, ATTENTION_SHOWN).map((entry) => attentionView(entry, now)),
    unmatched: unmatched > 0 && counted(unmatched, 'machine'),
    isWell: attention.length === 0 && !noneFree && unmatched === 0 && waiting === 0,
    more: lab.attention_total > Math.min(attention.length, ATTENTION_SHOWN) ? lab.attention_total : null,
    operation: lab.operation && operationView(lab.operation),
    anyScheduled: lab.scheduled.length > 0,
    scheduled: lab.scheduled.map((entry) => scheduledView(entry, now)),
  };
}

const reasons = {
  machine_lost: { reason: 'Participant cannot work', remedy: 'Assign another machine' },
  command_failed: { reason: 'Needs a new command', remedy: 'View machine' },
  overdue: { reason: 'Takes too long', remedy: 'View machine' },
  wrong_pins: { reason: 'Wrong PINs', remedy: 'View machine' },
  twin: { reason: 'Two machines, one name', remedy: 'View actions' },
  error: { reason: 'Error', remedy: 'View actions' },
  unreachable: { reason: 'Unreachable', remedy: 'View actions' },
  gpu_unhealthy: { reason: 'GPU unhealthy', remedy: 'Mark as healthy' },
  many_by_one: { reason: 'Many machines for one browser', remedy: 'View machine' },
} as const satisfies Record<Attention['reason'], { reason: string; remedy: string }>;

function attentionView({ hostname, email, name, reason, message, since }: Attention, now: Date): View {
  return {
    ...{ hostname, email, name: name ?? null, message, ...reasons[reason] },
    href: vmPageHref(hostname),
    since: timeView(since, now),
  };
}

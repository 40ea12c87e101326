// The overview, the admin's first page: what needs attention, how many machines there are, what runs.
import type { components } from '../contract/openapi.gen.ts';
import { vmStatuses } from '../vms/lifecycle.ts';
import type { FleetLine } from './fleet.ts';
import { codeSpans } from './format.ts';
import { layoutView } from './layout.ts';
import { timeView } from './machine-row.ts';
import { operationView } from './operations.ts';
import { render, type View } from './render.ts';
import { vmStatusLabels } from './status-labels.ts';
import { vmPageHref } from './hrefs.ts';
import { workView, type WorkModel } from './work.ts';

type Overview = components['schemas']['Overview'];
type Attention = components['schemas']['Attention'];
type Checks = components['schemas']['Health']['checks'];

export type AdminModel = {
  /** Null while the database cannot be reached. */
  readonly lab: Overview | null;
  readonly checks: Checks;
  /** Whether this server launches machines itself. */
  readonly launches: boolean;
  /** Null where nothing was launched, or the database cannot be reached. */
  readonly fleetLine?: FleetLine | null;
  /** Absent while the database cannot be reached. */
  readonly work?: WorkModel;
  readonly now: Date;
};

/** The overview lists so many machines that need attention, and counts the others. */
const ATTENTION_SHOWN = 12;

export function renderAdmin(model: AdminModel): string {
  const { lab, checks, launches, now } = model;
  return render('admin', {
    ...layoutView({
      title: 'Overview',
      area: 'admin',
      current: '/admin',
      styles: ['admin.css'],
      modules: ['live-page.js', 'downloads.js'],
    }),
    checks: checks.map((check) => checkView(check, launches)),
    lab: lab && labView(lab, now),
    isEmpty: lab?.total === 0,
    launches,
    fleetLine: model.fleetLine ?? null,
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

function checkView({ name, ok, detail }: Checks[number], launches: boolean): View {
  // A server that launches nothing needs no provisioning.
  const isUnused = name === 'provisioning' && !launches;
  return {
    label: checkLabels[name] ?? name,
    ...(isUnused ? UNUSED : verdictOf(ok, detail !== undefined)),
    detail: detail === undefined ? null : codeSpans(detail),
  };
}

const UNUSED = { status: 'unused', verdict: 'Not used' };

/** What is OK and has a detail all the same is a warning. */
function verdictOf(ok: boolean, hasDetail: boolean): { readonly status: string; readonly verdict: string } {
  if (!ok) return { status: 'error', verdict: 'Not OK' };
  return hasDetail ? { status: 'busy', verdict: 'Warning' } : { status: 'running', verdict: 'OK' };
}

function labView(lab: Overview, now: Date): View {
  const { total, free, assigned, in_use, starting, failed, by_status: byStatus, attention } = lab;
  const noneFree = total > 0 && free === 0 && starting === 0;
  return {
    ...{ total, free, assigned, in_use, starting, failed },
    statuses: vmStatuses.map((status) => {
      const count = byStatus[status] ?? 0;
      // A status without machines gets no colour.
      return { status: count > 0 ? status : 'none', label: vmStatusLabels[status], count };
    }),
    noneFree,
    attention: attention.slice(0, ATTENTION_SHOWN).map((entry) => attentionView(entry, now)),
    isWell: attention.length === 0 && !noneFree,
    more: lab.attention_total > Math.min(attention.length, ATTENTION_SHOWN) ? lab.attention_total : null,
    operation: lab.operation && operationView(lab.operation),
  };
}

const reasons = {
  machine_lost: { reason: 'Participant cannot work', remedy: 'Assign another machine' },
  command_failed: { reason: 'Needs a new command', remedy: 'View machine' },
  overdue: { reason: 'Takes too long', remedy: 'View machine' },
  error: { reason: 'Error', remedy: 'View actions' },
  unreachable: { reason: 'Unreachable', remedy: 'View actions' },
  gpu_unhealthy: { reason: 'GPU unhealthy', remedy: 'Mark as healthy' },
} as const satisfies Record<Attention['reason'], { reason: string; remedy: string }>;

function attentionView({ hostname, email, reason, message, since }: Attention, now: Date): View {
  return {
    ...{ hostname, email, message, ...reasons[reason] },
    href: vmPageHref(hostname),
    since: timeView(since, now),
  };
}

// The admin's first page: the state of the lab at a glance; what needs the admin comes first.
import type { components } from '../contract/openapi.gen.ts';
import { vmStatuses } from '../vms/status.ts';
import type { FleetLine } from './fleet.ts';
import { codeSpans } from './code-spans.ts';
import { layoutView } from './layout.ts';
import { timeView } from './machine-row.ts';
import { operationView } from './operation-view.ts';
import { render, type View } from './render.ts';
import { vmPageHref } from './vm-href.ts';
import { words } from './words.ts';
import { workView, type WorkModel } from './work.ts';

type Overview = components['schemas']['Overview'];
type Attention = components['schemas']['Attention'];
type Checks = components['schemas']['Health']['checks'];

export type AdminModel = {
  /** Null where it is not known (the database is away). */
  readonly lab: Overview | null;
  readonly checks: Checks;
  /** Whether this server launches machines itself. */
  readonly launches: boolean;
  /** End and cost of the launched machines in a sentence; null where there is none, or it is not known. */
  readonly fleetLine?: FleetLine | null;
  /** Absent where it is not known (the database is away). */
  readonly work?: WorkModel;
  readonly now: Date;
};

/** So many are named; the rest is counted. */
const NAMED = 12;

/** The overview page. */
export function renderAdmin(model: AdminModel): string {
  const { lab, checks, launches, now } = model;
  return render('admin', {
    ...layoutView({
      title: words.lab.title,
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

/** Where machines come by themselves, that none is launched is no fault. */
function checkView({ name, ok, detail }: Checks[number], launches: boolean): View {
  const labels: Readonly<Record<string, string>> = words.lab.checks;
  const isUnused = name === 'provisioning' && !launches;
  return {
    label: labels[name] ?? name,
    status: isUnused ? 'unused' : ok ? 'running' : 'error',
    verdict: isUnused ? words.lab.unused : ok ? words.lab.ok : words.lab.notOk,
    detail: detail === undefined ? null : { text: codeSpans(detail) },
  };
}

function labView(lab: Overview, now: Date): View {
  const { figures } = words.lab;
  const noneFree = lab.total > 0 && lab.free === 0 && lab.starting === 0;
  const more = lab.attention_total - Math.min(lab.attention.length, NAMED);
  return {
    figures: [
      { label: figures.free, count: lab.free, href: '/admin/instances?show=free', tone: 'good' },
      { label: figures.assigned, count: lab.assigned, href: '/admin/instances?show=assigned', tone: 'plain' },
      { label: figures.inUse, count: lab.in_use, href: '/admin/instances?sort=use', tone: 'plain' },
      {
        label: figures.starting,
        count: lab.starting,
        href: '/admin/instances?show=initializing',
        tone: 'plain',
      },
      {
        label: figures.failed,
        count: lab.failed,
        href: '/admin/instances?show=attention',
        tone: lab.failed > 0 ? 'bad' : 'plain',
      },
      { label: figures.total, count: lab.total, href: '/admin/instances', tone: 'plain' },
    ],
    statuses: vmStatuses.map((status) => ({
      // What nothing is in needs no colour.
      status: (lab.by_status[status] ?? 0) > 0 ? status : 'none',
      label: words.vmStatus[status],
      count: lab.by_status[status] ?? 0,
    })),
    noneFree,
    attention: lab.attention.slice(0, NAMED).map((entry) => attentionView(entry, now)),
    isWell: lab.attention.length === 0 && !noneFree,
    more: more > 0 ? lab.attention_total : null,
    operation: lab.operation && operationView(lab.operation),
  };
}

function attentionView({ hostname, email, reason, message, since }: Attention, now: Date): View {
  return {
    hostname,
    email,
    href: vmPageHref(hostname),
    reason: words.lab.reasons[reason],
    remedy: words.lab.remedies[reason],
    message,
    since: timeView(since, now),
  };
}

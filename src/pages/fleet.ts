// When the launched machines shut down, what they have cost, and unmatched machines (orphans) with their actions.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { counted, momentView } from './format.ts';
import { operationPageHref, vmPageHref } from './hrefs.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { sayUntil } from './spans.ts';

type Fleet = components['schemas']['Fleet'];
type Orphans = components['schemas']['Orphans'];

export type FleetModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly fleet: Fleet;
  readonly orphans: Orphans;
  /** The result of the action that led here; null where there was none. */
  readonly notice: { readonly good: boolean; readonly text: string } | null;
  readonly now: Date;
};

const DEFAULT_HOURS = 4;

export function renderFleet({ site, viewer, fleet, orphans, notice, now }: FleetModel): string {
  const { total, vms, cost, costs_money: bills, launches } = fleet;
  const attention = vms.filter((vm) => vm.overdue || vm.requested_shutdown_at !== null);
  return render('fleet', {
    ...layoutView({
      site,
      viewer,
      title: 'Shutdown and cost',
      area: 'admin',
      current: '/admin/fleet',
      styles: ['admin.css'],
    }),
    good: notice?.good === true ? notice.text : null,
    bad: notice?.good === false ? notice.text : null,
    machines: total,
    any: total > 0,
    end: endView(fleet.shutdown_at, now),
    cost: costText(cost, bills),
    unpriced: bills && cost.unpriced_vms > 0 ? unpricedSentence(cost.unpriced_vms) : null,
    bills: bills && { note: fleet.note, pricesAsOf: fleet.prices_as_of },
    grace: bills ? fleet.grace_minutes : null,
    hours: DEFAULT_HOURS,
    anyLaunches: launches.length > 0,
    launches: launches.map((launch) => launchView(launch, bills, now)),
    anyAttention: attention.length > 0,
    attention: attention.map((vm) => vmView(vm, now)),
    anyOrphans: orphans.items.length > 0,
    noneFound: orphans.items.length === 0 && orphans.checked_at !== null,
    orphans: orphans.items.map(orphanView),
    orphansProblem: orphans.error,
    asked: momentView(orphans.checked_at),
  });
}

/** For the partial `fleet-line`. */
export type FleetLine = {
  /** Null where there is none. */
  readonly end: View | null;
  readonly cost: string | null;
  readonly overdue: string | null;
};

/** Shutdown and cost in one line; null where nothing shuts down and nothing costs money. */
export function fleetLine(fleet: Fleet, now: Date): FleetLine | null {
  const { total, costs_money: bills, shutdown_at: shutdownAt, vms, cost } = fleet;
  const overdue = vms.filter((vm) => vm.overdue).length;
  const end = total > 0 ? endView(shutdownAt, now) : null;
  const hasCost = bills && (total > 0 || cost.usd > 0);
  if (end === null && !hasCost && overdue === 0) return null;
  return {
    end,
    cost: hasCost ? costText(cost, bills) : null,
    overdue: overdue > 0 ? overdueSentence(overdue) : null,
  };
}

function overdueSentence(count: number): string {
  return count === 1
    ? '1 machine is past its shutdown time and still exists.'
    : `${count} machines are past their shutdown time and still exist.`;
}

function unpricedSentence(count: number): string {
  return `The cost does not include ${counted(count, 'machine')}: no price is known for the type and region.`;
}

function launchView(launch: Fleet['launches'][number], bills: boolean, now: Date): View {
  return {
    href: launch.id && operationPageHref(launch.id),
    ...momentView(launch.launched_at),
    by: launch.requested_by ?? '',
    made: launch.total,
    living: launch.existing,
    end: endView(launch.shutdown_at, now),
    isOver: launch.existing === 0,
    cost: costText(launch.cost, bills),
  };
}

function vmView(vm: Fleet['vms'][number], now: Date): View {
  return {
    hostname: vm.hostname,
    href: vmPageHref(vm.hostname),
    overdue: vm.overdue,
    pending: vm.requested_shutdown_at !== null,
    end: endView(vm.shutdown_at, now),
    wanted: endView(vm.requested_shutdown_at, now),
    problem: vm.error,
  };
}

/** What is asked before it is done. */
const decisions = {
  vm: {
    path: 'terminate',
    label: 'Destroy',
    what: 'Destroys the machine and everything on it. This cannot be undone.',
  },
  record: {
    path: 'terminate',
    label: 'Remove from the list',
    what: 'Removes the entry and what is known about the machine.',
  },
  foreign: {
    path: 'adopt',
    label: 'Add to the list',
    what: 'Do this only if the allocator of this machine is lost: from then on it is listed here and destroyed with the others.',
  },
} as const satisfies Record<
  Orphans['items'][number]['kind'],
  { path: 'terminate' | 'adopt'; label: string; what: string }
>;

function orphanView(item: Orphans['items'][number]): View {
  const base = `/api/v1/orphans/${encodeURIComponent(item.id)}`;
  const hostname = item.hostname ?? 'Unknown machine';
  const { path, ...words } = decisions[item.kind];
  const removable = item.kind === 'foreign' ? item.adoptable : item.terminable;
  const question = { key: item.id, about: `${hostname}, ${item.id}`, who: null, work: null, danger: true };
  return {
    id: item.id,
    hostname,
    reason: item.reason,
    adopt: item.adoptable && item.kind !== 'foreign' ? `${base}/adopt` : null,
    remove: removable && { action: `${base}/${path}`, ...question, ...words },
  };
}

/** Null where there is no end. */
function endView(timestamp: string | null, now: Date): View | null {
  const at = momentView(timestamp);
  return at && { ...at, left: sayUntil(at.timestamp, now) };
}

function costText({ usd }: Fleet['cost'], bills: boolean): string {
  return bills || usd > 0 ? `about $${usd.toFixed(2)}` : 'No cost';
}

// When the launched machines end, what they have cost so far, and orphans: with what can be done about each.
import type { components } from '../contract/openapi.gen.ts';
import { graceSentence, launchedSentence, overdueSentence, unpricedSentence } from './words/ends.ts';
import { layoutView } from './layout.ts';
import { operationAddress } from './operation-view.ts';
import { render, type View } from './render.ts';
import { sayUntil } from './spans.ts';
import { utcText } from './times.ts';
import { vmPageHref } from './vm-href.ts';
import { words } from './words.ts';

type Fleet = components['schemas']['Fleet'];
type Orphans = components['schemas']['Orphans'];

export type FleetModel = {
  readonly fleet: Fleet;
  readonly orphans: Orphans;
  /** What came of what was asked for; null where the page was just loaded. */
  readonly told: { readonly good: boolean; readonly text: string } | null;
  readonly now: Date;
};

const DEFAULT_HOURS = 4;

/** The page of the fleet. */
export function renderFleet({ fleet, orphans, told, now }: FleetModel): string {
  const { vms, cost, costs_money: bills } = fleet;
  const attention = vms.filter((vm) => vm.overdue || vm.requested_shutdown_at !== null);
  return render('fleet', {
    ...layoutView({
      title: words.ends.title,
      area: 'admin',
      current: '/admin/fleet',
      styles: ['admin.css'],
    }),
    good: told?.good === true ? told.text : null,
    bad: told?.good === false ? told.text : null,
    machines: fleet.total,
    any: fleet.total > 0,
    end: endView(fleet.shutdown_at, now),
    cost: costText(cost, bills),
    unpriced: bills && cost.unpriced_vms > 0 ? unpricedSentence(cost.unpriced_vms) : null,
    bills: bills && { note: fleet.note, pricesAsOf: fleet.prices_as_of },
    grace: bills ? graceSentence(fleet.grace_minutes) : null,
    hours: DEFAULT_HOURS,
    anyLaunches: fleet.launches.length > 0,
    launches: fleet.launches.map((launch) => launchView(launch, bills, now)),
    anyAttention: attention.length > 0,
    attention: attention.map((vm) => vmView(vm, now)),
    anyOrphans: orphans.items.length > 0,
    noneFound: orphans.items.length === 0 && orphans.checked_at !== null,
    orphans: orphans.items.map(orphanView),
    orphansProblem: orphans.error,
    asked: orphans.checked_at && { at: utcText(orphans.checked_at), timestamp: orphans.checked_at },
  });
}

/** What the partial `fleet-line` reads: how many, the first end, the cost, and what is past its end. */
export type FleetLine = {
  readonly machines: string;
  /** Null where there is none. */
  readonly end: View | null;
  readonly cost: string | null;
  readonly overdue: string | null;
};

/** End and cost in short; null where nothing was launched. */
export function fleetLine(fleet: Fleet, now: Date): FleetLine | null {
  const { total, launches, costs_money: bills, shutdown_at: shutdownAt, vms, cost } = fleet;
  if (total === 0 && launches.length === 0) return null;
  const overdue = vms.filter((vm) => vm.overdue).length;
  return {
    machines: launchedSentence(total),
    end: total > 0 ? endView(shutdownAt, now) : null,
    cost: bills ? costText(cost, bills) : null,
    overdue: overdue > 0 ? overdueSentence(overdue) : null,
  };
}

function launchView(launch: Fleet['launches'][number], bills: boolean, now: Date): View {
  return {
    href: launch.id && operationAddress(launch.id),
    at: utcText(launch.launched_at),
    timestamp: launch.launched_at,
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
    untold: vm.requested_shutdown_at !== null,
    end: endView(vm.shutdown_at, now),
    wanted: endView(vm.requested_shutdown_at, now),
    problem: vm.error,
  };
}

function orphanView(item: Orphans['items'][number]): View {
  const base = `/api/v1/orphans/${encodeURIComponent(item.id)}`;
  return {
    id: item.id,
    hostname: item.hostname ?? words.ends.none,
    reason: item.reason,
    adopt: item.adoptable ? `${base}/adopt` : null,
    terminate: item.terminable ? `${base}/terminate` : null,
    ending: item.kind === 'record' ? words.ends.clearing : words.ends.terminating,
    endWord: item.kind === 'record' ? words.ends.clear : words.ends.terminate,
  };
}

/** Null where there is no end. */
function endView(timestamp: string | null, now: Date): View | null {
  if (timestamp === null) return null;
  return { at: utcText(timestamp), timestamp, left: sayUntil(timestamp, now) };
}

function costText({ usd }: Fleet['cost'], bills: boolean): string {
  return bills || usd > 0 ? words.ends.about.replace('{usd}', usd.toFixed(2)) : words.ends.free;
}

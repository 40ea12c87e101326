// The machines as a table, one row each: searched, filtered and sorted by the address, a page of them at once. Where there
// is JavaScript, the others follow and all are live.
import type { components } from '../contract/openapi.gen.ts';
import { overdueSentences } from '../vms/deadlines.ts';
import { minuteWords } from '../vms/minutes.ts';
import { vmStatuses } from '../vms/status.ts';
import { layoutView } from './layout.ts';
import { shows, sortColumns, type MachineQuery, type SortColumn } from './machine-order.ts';
import { machineRow } from './machine-row.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';

type Vm = components['schemas']['Vm'];

export type InstancesModel = {
  /** Those of this page, in their order. */
  readonly vms: readonly Vm[];
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  /** How many machines match, shown or not. */
  readonly matching: number;
  /** How many machines there are. */
  readonly total: number;
  readonly query: MachineQuery;
  /** Where the live page goes on; null = it reads everything first. */
  readonly cursor: number | null;
  /** Times are told against this clock. */
  readonly now: Date;
};

/** The page of machines. */
export function renderInstances(model: InstancesModel): string {
  const { vms, matching, total, query, now } = model;
  return render('instances', {
    ...layoutView({
      title: words.instances.title,
      area: 'admin',
      current: '/admin/instances',
      styles: ['admin.css'],
      modules: ['instances.js'],
    }),
    any: total > 0,
    none: matching === 0,
    shown: words.lab.table.count.replace('{count}', countText(model)),
    rows: vms.map((vm) => machineRow(vm, now)),
    q: query.q,
    sort: sortText(query),
    options: shows.map((show) => ({ value: show, label: showLabels[show], selected: show === query.show })),
    columns: sortColumns.map((column) => columnView(column, query)),
    csv: csvHref(query),
    pager: pagerView(model),
    whole: isWhole(model),
    stream: streamHref(model.cursor),
    labels: JSON.stringify(labels),
  });
}

/** `12`, or `3 / 12` where not all match. */
function countText({ matching, total }: InstancesModel): string {
  return matching === total ? `${total}` : `${matching} / ${total}`;
}

const showLabels = {
  all: words.lab.table.all,
  free: words.lab.table.free,
  assigned: words.lab.table.assigned,
  attention: words.lab.table.attention,
  ...words.vmStatus,
};

const columnLabels = {
  machine: words.instances.hostname,
  status: words.instances.status,
  person: words.instances.participant,
  use: words.instances.inUse,
  gpu: words.instances.gpu,
  seen: words.lab.table.seen,
  startup: words.lab.table.startup,
} as const satisfies Record<SortColumn, string>;

/** What the live page says by itself. */
const labels = {
  vm: words.vmStatus,
  statusOrder: vmStatuses,
  assignment: words.assignmentState,
  overdue: overdueSentences,
  minutes: minuteWords,
  yes: words.yes,
  no: words.no,
  notSaid: words.notSaid,
  nobody: words.instances.nobody,
  never: words.lab.table.never,
  logs: words.lab.table.logs,
  notAllYet: words.lab.table.notAllYet,
  logsOf: words.instances.logsOf,
  parts: words.lab.table.startupParts,
};

function sortText({ sort }: MachineQuery): string {
  return `${sort.descending ? '-' : ''}${sort.column}`;
}

/** A second choice of the same column turns the order round. */
function columnView(column: SortColumn, query: MachineQuery): View {
  const isSorted = query.sort.column === column;
  const descending = isSorted && !query.sort.descending;
  return {
    column,
    label: columnLabels[column],
    href: pageHref({ ...query, sort: { column, descending }, page: 1 }),
    order: isSorted ? (query.sort.descending ? 'descending' : 'ascending') : null,
  };
}

function pageHref(query: MachineQuery): string {
  const search = new URLSearchParams({
    ...(query.q !== '' && { q: query.q }),
    ...(query.show !== 'all' && { show: query.show }),
    sort: sortText(query),
    ...(query.page > 1 && { page: String(query.page) }),
  });
  return `/admin/instances?${search.toString()}`;
}

/** Null where one page holds all that match. */
function pagerView({ page, pages, query }: InstancesModel): View | null {
  if (pages === 1) return null;
  return {
    place: words.lab.table.place.replace('{page}', String(page)).replace('{pages}', String(pages)),
    previous: page > 1 ? pageHref({ ...query, page: page - 1 }) : null,
    next: page < pages ? pageHref({ ...query, page: page + 1 }) : null,
  };
}

function csvHref({ q, show }: MachineQuery): string {
  const status = vmStatuses.find((known) => known === show);
  const search = new URLSearchParams({
    ...(q !== '' && { search: q }),
    ...(status && { status }),
    ...((show === 'free' || show === 'assigned') && { assigned: String(show === 'assigned') }),
    ...(show === 'free' && { status: 'running' }),
  }).toString();
  return search === '' ? '/api/v1/vms.csv' : `/api/v1/vms.csv?${search}`;
}

/** Whether there are no machines but those that are shown. The stream tells of the others, and its reader asks for them. */
function isWhole({ vms, total }: InstancesModel): boolean {
  return vms.length === total;
}

function streamHref(cursor: number | null): string {
  return cursor === null ? '/api/v1/vms/events' : `/api/v1/vms/events?after=${cursor}`;
}

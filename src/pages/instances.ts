// The machines as a table, one row each: searched, filtered and sorted by the address, one page at a time. Where there is
// JavaScript, the other machines follow and all rows are live (src/browser/pages/instances.ts).
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { defaultProvider } from '../provision/providers.ts';
import { csvHref, sortColumns, sortText, vmFilters, type SortColumn, type VmQuery } from '../vms/vm-table.ts';
import { bulkActions, mayChoose, type BulkAction } from '../vms/selected.ts';
import { instancesHref } from './hrefs.ts';
import { layoutView } from './layout.ts';
import { countText, machineRow, tableVm } from './machine-row.ts';
import { render, type View } from './render.ts';
import { vmStatusLabels } from './status-labels.ts';

type Vm = components['schemas']['Vm'];

export type InstancesModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  /** The machines of this page, in their order. */
  readonly vms: readonly Vm[];
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  /** How many machines match, shown or not. */
  readonly matching: number;
  /** How many machines there are. */
  readonly total: number;
  readonly query: VmQuery;
  /** Where the event stream continues; null = it sends everything first. */
  readonly cursor: number | null;
  readonly now: Date;
};

const HERE = '/admin/instances';

/** The page of machines. */
export function renderInstances(model: InstancesModel): string {
  const { vms, matching, total, query, now, cursor } = model;
  return render('instances', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: 'Machines',
      area: 'admin',
      current: HERE,
      styles: ['admin.css'],
      modules: ['instances.js'],
    }),
    any: total > 0,
    none: matching === 0,
    shown: countText(matching, total),
    rows: vms.map((vm) => ({ ...machineRow(vm, now), facts: JSON.stringify(tableVm(vm)) })),
    blankRow: { ...machineRow(blankVm, now), facts: '' },
    q: query.q,
    sort: sortText(query.sort),
    options: vmFilters.map((show) => ({
      value: show,
      label: filterLabels[show],
      selected: show === query.show,
    })),
    show: query.show,
    groups: [
      ...Object.entries(groupLabels).map(([value, label]) => ({ value, label })),
      ...vmFilters.map((value) => ({ value, label: filterLabels[value] })),
    ],
    bulk: bulkActions
      .filter((action) => !model.viewer || mayChoose(model.viewer.role, action))
      .map((action) => ({ action, label: bulkLabels[action] })),
    columns: sortColumns.map((column) => columnView(column, query)),
    csv: csvHref(query),
    pager: pagerView(model),
    // Whether the page shows every machine that there is.
    whole: vms.length === total,
    stream: cursor === null ? '/api/v1/vms/events' : `/api/v1/vms/events?after=${cursor}`,
  });
}

const filterLabels = {
  all: 'All machines',
  free: 'Free',
  reserved: 'Reserved',
  assigned: 'Assigned',
  attention: 'Needs attention',
  ...vmStatusLabels,
};

/** Machines that are not a filter's. */
const groupLabels = { listed: 'Ticked machines', shown: 'All that are shown' };

const bulkLabels = {
  release: 'Release…',
  restart: 'Restart…',
  destroy: 'Destroy…',
  download: 'Download files…',
} as const satisfies Record<BulkAction, string>;

const columnLabels = {
  machine: 'Machine',
  status: 'Status',
  person: 'Participant',
  use: 'In use',
  gpu: 'GPU',
  seen: 'Last seen',
  startup: 'Start-up',
} as const satisfies Record<SortColumn, string>;

/** What the browser makes rows of machines from that come later. */
const blankVm: Vm = {
  hostname: '',
  provider: defaultProvider,
  status: 'initializing',
  status_since: '1970-01-01T00:00:00.000Z',
  in_use: null,
  gpu_health: null,
  address: null,
  ssh_user: null,
  ssh_port: null,
  has_token: false,
  created_at: '1970-01-01T00:00:00.000Z',
  last_seen_at: null,
  waiting: false,
  boot_id: null,
  twin_since: null,
  reserved: false,
  free_disk_bytes: null,
  assignment: null,
  command_error: null,
  timings: {
    provisioning_seconds: null,
    cloud_init_seconds: null,
    container_seconds: null,
    total_seconds: null,
  },
  deadline: null,
  attention: null,
};

/** Choosing the sorted column again reverses the order. */
function columnView(column: SortColumn, query: VmQuery): View {
  const isSorted = query.sort.column === column;
  const descending = isSorted && !query.sort.descending;
  return {
    column,
    label: columnLabels[column],
    href: instancesHref({ ...query, sort: { column, descending } }, 1),
    order: isSorted ? (query.sort.descending ? 'descending' : 'ascending') : null,
  };
}

/** Null where one page holds all that match. */
function pagerView({ page, pages, query }: InstancesModel): View | null {
  if (pages === 1) return null;
  return {
    page,
    pages,
    previous: page > 1 ? instancesHref(query, page - 1) : null,
    next: page < pages ? instancesHref(query, page + 1) : null,
  };
}

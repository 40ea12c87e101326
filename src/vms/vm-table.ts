// The table of machines: which machines it shows, in which order, and on which page. The page, the browser and the CSV use
// the same definitions. Pure; the clock is an argument.
import type { components } from '../contract/openapi.gen.ts';
import { compareHostnames } from './hostnames.ts';
import { vmStatuses } from './lifecycle.ts';
import { isAssigned, isFree, isUnreserved, vmFacts } from './status.ts';

type Vm = components['schemas']['Vm'];
export type VmFilter = components['schemas']['VmFilter'];

/** What the table searches, filters and sorts by. */
export type TableVm = Pick<
  Vm,
  'hostname' | 'status' | 'in_use' | 'gpu_health' | 'twin_since' | 'reserved' | 'last_seen_at'
> & {
  readonly assignment: Pick<NonNullable<Vm['assignment']>, 'email' | 'name' | 'state'> | null;
  readonly attention: object | null;
  readonly deadline: Pick<NonNullable<Vm['deadline']>, 'activity' | 'since' | 'due_at'> | null;
  readonly timings: Pick<Vm['timings'], 'total_seconds'>;
};

export const sortColumns = ['machine', 'status', 'person', 'use', 'gpu', 'seen', 'startup'] as const;
export type SortColumn = (typeof sortColumns)[number];
export type Sort = { readonly column: SortColumn; readonly descending: boolean };

export const vmFilters: readonly VmFilter[] = [
  'all',
  'free',
  'reserved',
  'assigned',
  'attention',
  ...vmStatuses,
];

/** What the table was asked for. */
export type VmQuery = {
  readonly q: string;
  readonly show: VmFilter;
  readonly sort: Sort;
};

const BY_HOSTNAME: Sort = { column: 'machine', descending: false };

/** Reads a query from a URL; an unknown value counts as missing. */
export function readVmQuery(given: {
  readonly q?: string | undefined;
  readonly show?: string | undefined;
  readonly sort?: string | undefined;
}): VmQuery {
  const column = sortColumns.find((known) => known === given.sort?.replace(/^-/, ''));
  return {
    q: given.q?.trim() ?? '',
    show: vmFilters.find((known) => known === given.show) ?? 'all',
    sort: column ? { column, descending: given.sort?.startsWith('-') ?? false } : BY_HOSTNAME,
  };
}

/** `seen`, or `-seen` for the other direction. */
export function sortText({ column, descending }: Sort): string {
  return `${descending ? '-' : ''}${column}`;
}

/** The URL parameters of this query, without default values. */
export function queryParameters({ q, show, sort }: VmQuery): URLSearchParams {
  return new URLSearchParams({
    ...(q !== '' && { q }),
    ...(show !== 'all' && { show }),
    ...(sortText(sort) !== sortText(BY_HOSTNAME) && { sort: sortText(sort) }),
  });
}

/** The CSV of what the table shows. */
export function csvHref(query: VmQuery): string {
  const search = queryParameters(query).toString();
  return search === '' ? '/api/v1/vms.csv' : `/api/v1/vms.csv?${search}`;
}

/** The search looks in these. */
function searchedTexts({ hostname, assignment }: TableVm): string[] {
  return [hostname, ...(assignment ? [assignment.email, assignment.name ?? ''] : [])];
}

/** Whether the table shows this machine. */
export function isShown(vm: TableVm, { q, show }: Pick<VmQuery, 'q' | 'show'>, now: Date): boolean {
  const part = q.toLowerCase();
  if (!searchedTexts(vm).some((text) => text.toLowerCase().includes(part))) return false;
  switch (show) {
    case 'all':
      return true;
    case 'free':
      return isUnreserved(vmFacts(vm));
    case 'reserved':
      return vm.reserved && isFree(vmFacts(vm));
    case 'assigned':
      return isAssigned(vm);
    case 'attention':
      return vm.attention !== null || isOverdue(vm, now);
    default:
      return vm.status === show;
  }
}

/** Whether the machine's present activity takes too long. */
export function isOverdue({ deadline }: Pick<TableVm, 'deadline'>, now: Date): boolean {
  return deadline !== null && now.getTime() > Date.parse(deadline.due_at);
}

const keys = {
  machine: () => '',
  status: (vm) => vmStatuses.indexOf(vm.status),
  person: (vm) => vm.assignment?.email ?? null,
  use: (vm) => (vm.in_use === null ? null : vm.in_use ? 0 : 1),
  gpu: (vm) => vm.gpu_health,
  seen: (vm) => vm.last_seen_at,
  startup: (vm) => vm.timings.total_seconds,
} as const satisfies Record<SortColumn, (vm: TableVm) => string | number | null>;

/** Unknown values come last in either direction; equal ones are in the order of hostnames. */
export function sortVms<T extends TableVm>(vms: readonly T[], { column, descending }: Sort): T[] {
  const key = keys[column];
  const sign = descending ? -1 : 1;
  return vms.toSorted((one, other) => {
    const [a, b] = [key(one), key(other)];
    const byName = compareHostnames(one.hostname, other.hostname);
    if (column === 'machine') return sign * byName;
    if (a === null || b === null) return Number(a === null) - Number(b === null) || byName;
    return sign * (a < b ? -1 : a > b ? 1 : 0) || byName;
  });
}

/** The machines that match, in the order of the query. */
export function queryVms<T extends TableVm>(vms: readonly T[], query: VmQuery, now: Date): T[] {
  return sortVms(
    vms.filter((vm) => isShown(vm, query, now)),
    query.sort,
  );
}

/** Machines on one page. */
const MACHINES_A_PAGE = 25;

export type PageOf<T> = {
  readonly shown: readonly T[];
  /** From 1. */
  readonly page: number;
  readonly pages: number;
};

/** The page with this number (from 1), or the last one. */
export function pageOf<T>(machines: readonly T[], wanted: number): PageOf<T> {
  const pages = Math.max(1, Math.ceil(machines.length / MACHINES_A_PAGE));
  const page = Math.min(wanted, pages);
  return { shown: machines.slice((page - 1) * MACHINES_A_PAGE, page * MACHINES_A_PAGE), page, pages };
}

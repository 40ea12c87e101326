// Which machines the table shows, in which order, and on which of its pages. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { vmStatuses } from '../vms/status.ts';

type Vm = components['schemas']['Vm'];

export const sortColumns = ['machine', 'status', 'person', 'use', 'gpu', 'seen', 'startup'] as const;
export type SortColumn = (typeof sortColumns)[number];
export type Sort = { readonly column: SortColumn; readonly descending: boolean };

export const shows = ['all', 'free', 'assigned', 'attention', ...vmStatuses] as const;
export type Show = (typeof shows)[number];

export type MachineQuery = {
  readonly q: string;
  readonly show: Show;
  readonly sort: Sort;
  /** From 1; it may be beyond the last. */
  readonly page: number;
};

/** A page that is there. */
export type PageOf<T> = {
  readonly shown: readonly T[];
  /** From 1. */
  readonly page: number;
  readonly pages: number;
};

/** So many are painted at once; where there is JavaScript, the others follow. */
export const MACHINES_A_PAGE = 25;

export const BY_HOSTNAME: Sort = { column: 'machine', descending: false };

/** As an address says it; what means nothing counts as not said. */
export function readMachineQuery(given: {
  readonly q?: string | undefined;
  readonly show?: string | undefined;
  readonly sort?: string | undefined;
  readonly page?: string | undefined;
}): MachineQuery {
  const column = sortColumns.find((known) => known === given.sort?.replace(/^-/, ''));
  return {
    q: given.q?.trim() ?? '',
    show: shows.find((known) => known === given.show) ?? 'all',
    sort: column ? { column, descending: given.sort?.startsWith('-') ?? false } : BY_HOSTNAME,
    page: Math.max(1, Number(given.page ?? '') || 1),
  };
}

/** The page that was asked for, or the last one. */
export function pageOf<T>(machines: readonly T[], asked: number): PageOf<T> {
  const pages = Math.max(1, Math.ceil(machines.length / MACHINES_A_PAGE));
  const page = Math.min(asked, pages);
  return { shown: machines.slice((page - 1) * MACHINES_A_PAGE, page * MACHINES_A_PAGE), page, pages };
}

/** Whether that is all machines, by their hostnames. */
export function isEverything({ q, show, sort }: MachineQuery): boolean {
  return q === '' && show === 'all' && sort.column === 'machine';
}

export function isShown(vm: Vm, { q, show }: Pick<MachineQuery, 'q' | 'show'>): boolean {
  const part = q.toLowerCase();
  const isFound = vm.hostname.toLowerCase().includes(part) || (vm.assignment?.email.includes(part) ?? false);
  if (!isFound) return false;
  switch (show) {
    case 'all':
      return true;
    case 'free':
      return vm.status === 'running' && vm.assignment === null;
    case 'assigned':
      return vm.assignment !== null && vm.assignment.state !== 'released';
    case 'attention':
      return vm.attention !== null;
    default:
      return vm.status === show;
  }
}

const keys = {
  machine: () => '',
  status: (vm) => String(vmStatuses.indexOf(vm.status)),
  person: (vm) => vm.assignment?.email ?? null,
  use: (vm) => (vm.in_use === null ? null : vm.in_use ? '0' : '1'),
  gpu: (vm) => vm.gpu_health,
  seen: (vm) => vm.last_seen_at,
  startup: (vm) => vm.timings.total_seconds,
} as const satisfies Record<SortColumn, (vm: Vm) => string | number | null>;

/** What is not known comes last, in either direction; equals stay in the order of hostnames. */
export function sortMachines(vms: readonly Vm[], { column, descending }: Sort): Vm[] {
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

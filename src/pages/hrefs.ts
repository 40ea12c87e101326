// Addresses of machines and operations.
import { queryParameters, type VmQuery } from '../vms/vm-table.ts';
import type { components } from '../contract/openapi.gen.ts';

type ActionName = components['schemas']['ActionName'];

/** The page of a machine; `done` makes it say what was done. */
export function vmPageHref(hostname: string, done: ActionName | null = null): string {
  const path = `/admin/vms/${encodeURIComponent(hostname)}`;
  return done === null ? path : `${path}?done=${done}`;
}

export function vmLogsHref(hostname: string): string {
  return `/admin/logs/${encodeURIComponent(hostname)}`;
}

/** The machine in the API; its actions are below this address. */
export function vmApiHref(hostname: string): string {
  return `/api/v1/vms/${encodeURIComponent(hostname)}`;
}

export function operationPageHref(id: string): string {
  return `/admin/operations/${id}`;
}

/** The table of machines, as this query shows it. @param page from 1 */
export function instancesHref(query: VmQuery, page = 1): string {
  const search = queryParameters(query);
  if (page > 1) search.set('page', String(page));
  const text = search.toString();
  return text === '' ? '/admin/instances' : `/admin/instances?${text}`;
}

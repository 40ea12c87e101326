// Addresses of one machine.
import type { components } from '../contract/openapi.gen.ts';

type ActionName = components['schemas']['ActionName'];

/** Its page, which says what was done. */
export function vmPageHref(hostname: string, done: ActionName | null = null): string {
  const path = `/admin/vms/${encodeURIComponent(hostname)}`;
  return done === null ? path : `${path}?done=${done}`;
}

export function vmLogsHref(hostname: string): string {
  return `/admin/logs/${encodeURIComponent(hostname)}`;
}

/** What may be done with it is below this. */
export function vmApiHref(hostname: string): string {
  return `/api/v1/vms/${encodeURIComponent(hostname)}`;
}

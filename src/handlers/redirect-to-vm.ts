// After an action on a page: redirects to the page of the VM, which shows what was done.
import type { components } from '../contract/openapi.gen.ts';
import { vmPageHref } from '../pages/hrefs.ts';
import { see } from './replies.ts';

export type ActionName = components['schemas']['ActionName'];

export function redirectToVm(hostname: string, done: ActionName) {
  return see(vmPageHref(hostname, done));
}

// After an action on a page: redirects to the page of the VM, which shows what was done.
import type { components } from '../contract/openapi.gen.ts';
import { renderRedirect } from '../pages/redirect.ts';
import { vmPageHref } from '../pages/hrefs.ts';

export type ActionName = components['schemas']['ActionName'];

export function redirectToVm(hostname: string, done: ActionName) {
  const href = vmPageHref(hostname, done);
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) } as const;
}

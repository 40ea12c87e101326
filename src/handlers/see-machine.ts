// Where a deed that was done from a page leads: to the page of its machine, which says what was done.
import type { components } from '../contract/openapi.gen.ts';
import { renderLedOn } from '../pages/led-on.ts';
import { vmPageHref } from '../pages/vm-href.ts';

export type DeedName = components['schemas']['DeedName'];

export function seeMachine(hostname: string, done: DeedName) {
  const href = vmPageHref(hostname, done);
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderLedOn(href) } as const;
}

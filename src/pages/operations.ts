// What was launched and destroyed: a page of operations, the newest first.
import type { components } from '../contract/openapi.gen.ts';
import { layoutView } from './layout.ts';
import { operationStatusLabels } from './operation-labels.ts';
import { isActive, operationAddress } from './operation-view.ts';
import { render, type View } from './render.ts';
import { sayDuration } from './spans.ts';
import { utcText } from './times.ts';
import { operationTitle } from './words/fleet.ts';
import { words } from './words.ts';

type Operation = components['schemas']['Operation'];

export type OperationsModel = {
  readonly operations: readonly Operation[];
  /** Where the older ones begin; null where there are none. */
  readonly next: string | null;
  /** Whether this is the page of the newest. */
  readonly isFirst: boolean;
  readonly now: Date;
};

const HERE = '/admin/operations';
/** Between two loads of a page that shows something that runs, where there is no JavaScript. */
const REFRESH_SECONDS = 4;

export function renderOperations({ operations, next, isFirst, now }: OperationsModel): string {
  const isMoving = operations.some(isActive);
  return render('operations', {
    ...layoutView({
      title: words.fleet.operations.title,
      area: 'admin',
      current: HERE,
      styles: ['operations.css'],
      modules: ['operations.js'],
      ...(isMoving && { refresh: { seconds: REFRESH_SECONDS, href: HERE } }),
    }),
    any: operations.length > 0,
    isFirst,
    rows: operations.map((operation) => rowView(operation, now)),
    olderHref: next === null ? null : `${HERE}?after=${next}`,
    newestHref: isFirst ? null : HERE,
    hasPages: next !== null || !isFirst,
  });
}

function rowView(operation: Operation, now: Date): View {
  const {
    id,
    kind,
    status,
    message,
    requested_by,
    requested_at,
    started_at,
    ended_at,
    num_vms,
    shutdown_at,
  } = operation;
  const until = ended_at ?? now.toISOString();
  const count = kind === 'launch' && num_vms !== null ? ` (${num_vms})` : '';
  return {
    id,
    href: operationAddress(id),
    what: operationTitle(operation) + count,
    ends: shutdown_at === null ? null : { at: utcText(shutdown_at), timestamp: shutdown_at },
    status,
    statusLabel: operationStatusLabels[status],
    message,
    by: requested_by,
    timestamp: requested_at,
    at: utcText(requested_at),
    took: sayDuration(started_at ?? requested_at, until),
    active: isActive(operation),
  };
}

// Operations as pages show them, and the page that lists them.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { isActive, machines } from '../vms/operation.ts';
import { mayCancel } from '../vms/selected.ts';
import { momentView, utcClock } from './format.ts';
import { layoutView } from './layout.ts';
import { kindLabels, operationStatusLabels, progressText } from './operation-labels.ts';
import { render, type View } from './render.ts';
import { sayDuration } from './spans.ts';
import { operationPageHref } from './hrefs.ts';

type Operation = components['schemas']['Operation'];
type OperationEvent = components['schemas']['OperationEvent'];

/** `Launch`, `Destroy all machines`, `Destroy vm-7`, `Release 3 machines`. */
export function operationTitle({ kind, hostnames }: Pick<Operation, 'kind' | 'hostnames'>): string {
  if (kind === 'launch') return 'Launch';
  const [first, ...others] = hostnames ?? [];
  const which =
    first === undefined ? 'all machines' : others.length === 0 ? first : machines(others.length + 1);
  return `${kindLabels[kind]} ${which}`;
}

/** For the partial `running`: the operation that another one has to wait for. */
export function runningView(operation: Operation): View {
  const { id, message, requested_by, requested_at } = operation;
  return {
    href: operationPageHref(id),
    what: operationTitle(operation),
    message,
    by: requested_by,
    ...momentView(requested_at),
  };
}

const cancelHints = {
  launch: 'Machines already created are kept.',
  destroy: 'Machines already destroyed are gone; the rest are kept.',
  release: 'Machines already released stay so; the rest stay assigned.',
  restart: 'Machines already restarted stay so; the rest are not restarted.',
} as const satisfies Record<Operation['kind'], string>;

/** For the partial `operation`. @param viewer who is offered to cancel it */
export function operationView(operation: Operation, viewer: Viewer | null = null): View {
  const { id, kind, status, message, progress, problem, requested_by, requested_at } = operation;
  const { started_at, ended_at, shutdown_at, cancel_requested_at: cancelAt } = operation;
  const active = isActive(status);
  return {
    ...{ id, status, message, active },
    done: progress.done,
    href: operationPageHref(id),
    cancelHref: `/api/v1/operations/${id}/cancel`,
    statusLabel: operationStatusLabels[status],
    remedy: problem?.remedy ?? null,
    isDone: status === 'succeeded',
    mayCancel: active && cancelAt === null && (viewer === null || mayCancel(viewer.role, kind)),
    cancelling: active && cancelAt !== null ? { at: utcClock(cancelAt), timestamp: cancelAt } : null,
    total: Math.max(progress.total, 1),
    progressText: progressText(progress),
    hasProgress: progress.total > 0,
    cancelHint: cancelHints[kind],
    by: requested_by,
    isPlanned: operation.schedule_id !== undefined,
    ...momentView(requested_at),
    ends: momentView(shutdown_at),
    took: ended_at === null ? null : sayDuration(started_at ?? requested_at, ended_at),
  };
}

/** For the partial `output`. */
export function lineView({ at, level, hostname, text }: OperationEvent): View {
  return { time: utcClock(at), timestamp: at, level, hostname, text };
}

export type OperationsModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly operations: readonly Operation[];
  /** Where the older ones begin; null where there are none. */
  readonly next: string | null;
  /** Whether this is the page of the newest. */
  readonly isFirst: boolean;
  readonly now: Date;
};

const HERE = '/admin/operations';
/** How often a page with something that runs reloads without JavaScript. */
export const REFRESH_SECONDS = 4;

export function renderOperations(model: OperationsModel): string {
  const { site, viewer, operations, next, isFirst, now } = model;
  const isMoving = operations.some(({ status }) => isActive(status));
  return render('operations', {
    ...layoutView({
      site,
      viewer,
      title: 'Operations',
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
  const { id, kind, status, message, requested_by, requested_at, started_at, ended_at } = operation;
  const { num_vms, shutdown_at } = operation;
  const count = kind === 'launch' && num_vms !== null ? ` (${num_vms})` : '';
  return {
    ...{ id, status, message },
    href: operationPageHref(id),
    what: operationTitle(operation) + count,
    ends: momentView(shutdown_at),
    statusLabel: operationStatusLabels[status],
    by: requested_by,
    ...momentView(requested_at),
    took: sayDuration(started_at ?? requested_at, ended_at ?? now.toISOString()),
    active: isActive(status),
  };
}

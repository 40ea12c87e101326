// An operation as pages show it.
import type { components } from '../contract/openapi.gen.ts';
import { operationStatusLabels, progressText } from './operation-labels.ts';
import type { View } from './render.ts';
import { sayDuration } from './spans.ts';
import { utcClock, utcText } from './times.ts';
import { operationTitle } from './words/fleet.ts';
import { words } from './words.ts';

type Operation = components['schemas']['Operation'];
type OperationEvent = components['schemas']['OperationEvent'];

/** Where an operation is watched. */
export function operationAddress(id: string): string {
  return `/admin/operations/${id}`;
}

/** The one that is in the way. */
export function runningView(operation: Operation): View {
  const { id, message, requested_by, requested_at } = operation;
  return {
    href: operationAddress(id),
    what: operationTitle(operation),
    message,
    by: requested_by,
    at: utcText(requested_at),
    timestamp: requested_at,
  };
}

const ACTIVE: readonly string[] = ['queued', 'running'];

export function isActive({ status }: Pick<Operation, 'status'>): boolean {
  return ACTIVE.includes(status);
}

export function operationView(operation: Operation): View {
  const { id, kind, status, message, progress, problem, requested_by, requested_at } = operation;
  const { started_at, ended_at, shutdown_at, cancel_requested_at: cancelAt } = operation;
  const active = isActive(operation);
  return {
    id,
    href: operationAddress(id),
    cancelHref: `/api/v1/operations/${id}/cancel`,
    status,
    statusLabel: operationStatusLabels[status],
    message,
    remedy: problem?.remedy ?? null,
    active,
    isDone: status === 'succeeded',
    mayCancel: active && cancelAt === null,
    cancelling: active && cancelAt !== null ? { at: utcClock(cancelAt), timestamp: cancelAt } : null,
    done: progress.done + progress.failed,
    total: Math.max(progress.total, 1),
    progressText: progressText(progress),
    hasProgress: progress.total > 0,
    cancelHint: words.fleet.dashboard.cancelHint[kind],
    by: requested_by,
    at: utcText(requested_at),
    timestamp: requested_at,
    ends: shutdown_at === null ? null : { at: utcText(shutdown_at), timestamp: shutdown_at },
    took: ended_at === null ? null : sayDuration(started_at ?? requested_at, ended_at),
  };
}

export function lineView({ at, level, hostname, text }: OperationEvent): View {
  return { time: utcClock(at), timestamp: at, level, hostname, text };
}

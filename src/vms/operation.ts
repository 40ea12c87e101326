// Operations: their kinds and states, and the sentences about them. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type OperationKind = components['schemas']['OperationKind'];
export type OperationStatus = components['schemas']['OperationStatus'];
export type OperationProblem = components['schemas']['OperationProblem'];
export type OperationProblemKind = OperationProblem['kind'];
export type OperationVmState = components['schemas']['OperationVmState'];
export type OperationLevel = components['schemas']['OperationEvent']['level'];

/** Status → whether the operation is queued or running. */
const active = {
  queued: true,
  running: true,
  succeeded: false,
  failed: false,
  cancelled: false,
  interrupted: false,
} as const satisfies Record<OperationStatus, boolean>;

const problemKinds = {
  busy: true,
  quota: true,
  capacity: true,
  credentials: true,
  cancelled: true,
  timeout: true,
  program: true,
  engine: true,
  interrupted: true,
  left_over: true,
  not_all: true,
} as const satisfies Record<OperationProblemKind, true>;

export type OperationFacts = {
  readonly kind: OperationKind;
  readonly status: OperationStatus;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly cancelRequestedAt: Date | null;
  readonly numVms: number | null;
  /** The machines of a destroy, a release or a restart; null = all. */
  readonly hostnames: readonly string[] | null;
  /** When the machines of a launch shut down; null = never. */
  readonly shutdownAt: Date | null;
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  readonly problem: OperationProblem | null;
};

/** How an operation can end. */
export const endedStatuses: readonly string[] = Object.entries(active).flatMap(([status, isActive]) =>
  isActive ? [] : [status],
);

export function isActive(status: OperationStatus): boolean {
  return active[status];
}

/** A stored status; throws for an unknown one, which is a bug. */
export function readOperationStatus(stored: string): OperationStatus {
  return readOneOf(active, stored);
}

export function readOperationKind(stored: string): OperationKind {
  return readOneOf(doneWords, stored);
}

export function readOperationProblemKind(stored: string): OperationProblemKind {
  return readOneOf(problemKinds, stored);
}

export function readOperationLevel(stored: string): OperationLevel {
  return readOneOf({ info: true, warning: true, error: true } satisfies Record<OperationLevel, true>, stored);
}

const machineStates = {
  waiting: true,
  created: true,
  failed: true,
  destroyed: true,
  done: true,
} as const satisfies Record<OperationVmState, true>;

export function readOperationVmState(stored: string): OperationVmState {
  return readOneOf(machineStates, stored);
}

/** The key of the table that was stored; throws where there is none. */
export function readOneOf<Known extends string>(
  table: Readonly<Record<Known, unknown>>,
  stored: string,
): Known {
  for (const known in table) if (known === stored) return known;
  throw new Error(`unknown in the database: ${stored}`);
}

/** The progress or the result of an operation. */
export function operationMessage(operation: OperationFacts): string {
  const { kind, status, done, total, problem, cancelRequestedAt } = operation;
  if (isActive(status) && cancelRequestedAt) return 'The operation is being cancelled.';
  switch (status) {
    case 'queued':
      return 'Starting in a moment.';
    case 'running':
      return total === 0 ? 'Started.' : `${done} of ${machines(total)} ${doneWords[kind]}.`;
    case 'succeeded':
      return kind === 'destroy' && total === 0
        ? 'There was nothing to destroy.'
        : `${machines(done)} ${done === 1 ? 'was' : 'were'} ${doneWords[kind]}.`;
    default:
      return problem?.problem ?? 'The operation did not succeed.';
  }
}

/** What has happened to a machine, by the kind of its operation. */
export const doneWords = {
  launch: 'created',
  destroy: 'destroyed',
  release: 'released',
  restart: 'restarted',
} as const satisfies Record<OperationKind, string>;

export const operationKinds: readonly string[] = Object.keys(doneWords);

/** `A launch of 40 machines, requested by admin at 2026-01-31 09:00:00 UTC` */
export function describeOperation(operation: OperationFacts): string {
  const when = operation.requestedAt.toISOString().slice(0, 19).replace('T', ' ');
  return `${describeRequest(operation)} at ${when} UTC`;
}

/** The same without the time. */
export function describeRequest({
  kind,
  numVms,
  hostnames = null,
  requestedBy,
}: Pick<OperationFacts, 'kind' | 'numVms' | 'requestedBy'> & {
  readonly hostnames?: readonly string[] | null | undefined;
}): string {
  const which = hostnames === null ? 'all machines' : namesOrCount(hostnames);
  return `A ${kind} of ${kind === 'launch' ? machines(numVms ?? 0) : which}, requested by ${requestedBy}`;
}

const NAMES_SHOWN = 3;

/** The names of up to three machines, or how many there are. */
export function namesOrCount(hostnames: readonly string[]): string {
  return hostnames.length <= NAMES_SHOWN ? hostnames.join(', ') : machines(hostnames.length);
}

export function machines(count: number): string {
  return count === 1 ? '1 machine' : `${count} machines`;
}

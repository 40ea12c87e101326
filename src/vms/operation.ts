// Operations in words: which kinds and states there are, and what is said of them. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type OperationKind = components['schemas']['OperationKind'];
export type OperationStatus = components['schemas']['OperationStatus'];
export type OperationProblem = components['schemas']['OperationProblem'];
export type OperationProblemKind = OperationProblem['kind'];
export type OperationMachineState = components['schemas']['OperationMachineState'];
export type OperationLevel = components['schemas']['OperationEvent']['level'];

/** Status → may something still change? */
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
} as const satisfies Record<OperationProblemKind, true>;

export type OperationFacts = {
  readonly kind: OperationKind;
  readonly status: OperationStatus;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly cancelRequestedAt: Date | null;
  readonly numVms: number | null;
  /** The machines that a destroy is about; null = all. */
  readonly hostnames: readonly string[] | null;
  /** When the machines of a launch are to end; null = no end. */
  readonly endsAt: Date | null;
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  readonly problem: OperationProblem | null;
};

export function isActive(status: OperationStatus): boolean {
  return active[status];
}

/** A status as the database has it; one that is none of ours is a bug, and thrown. */
export function readOperationStatus(stored: string): OperationStatus {
  return readOneOf(active, stored);
}

export function readOperationKind(stored: string): OperationKind {
  return readOneOf({ launch: true, destroy: true } satisfies Record<OperationKind, true>, stored);
}

export function readOperationProblemKind(stored: string): OperationProblemKind {
  return readOneOf(problemKinds, stored);
}

export function readOperationLevel(stored: string): OperationLevel {
  return readOneOf({ info: true, warning: true, error: true } satisfies Record<OperationLevel, true>, stored);
}

const machineStates = {
  waiting: true,
  made: true,
  failed: true,
  gone: true,
} as const satisfies Record<OperationMachineState, true>;

export function readOperationMachineState(stored: string): OperationMachineState {
  return readOneOf(machineStates, stored);
}

function readOneOf<Known extends string>(table: Readonly<Record<Known, unknown>>, stored: string): Known {
  for (const known in table) if (known === stored) return known;
  throw new Error(`unknown in the database: ${stored}`);
}

/** How an operation stands, in a sentence. */
export function operationMessage(operation: OperationFacts): string {
  const { kind, status, done, total, problem, cancelRequestedAt } = operation;
  if (isActive(status) && cancelRequestedAt) return 'It was asked to end, and is ending.';
  switch (status) {
    case 'queued':
      return 'It begins in a moment.';
    case 'running':
      return total === 0 ? 'It has begun.' : `${done} of ${machines(total)} ${doneWords[kind]}.`;
    case 'succeeded':
      return kind === 'destroy' && total === 0
        ? 'There was nothing to destroy.'
        : `${machines(done)} ${done === 1 ? 'was' : 'were'} ${doneWords[kind]}.`;
    default:
      return problem?.problem ?? 'It ended without success.';
  }
}

const doneWords = { launch: 'made', destroy: 'ended' } as const satisfies Record<OperationKind, string>;

/** What an operation is, with who asked for it and when: said to those who want to begin another one. */
export function describeOperation(operation: OperationFacts): string {
  const when = operation.requestedAt.toISOString().slice(0, 19).replace('T', ' ');
  return `${describeRequest(operation)} at ${when} UTC`;
}

/** The same without the time: `A launch of 40 machines, asked for by admin`. */
export function describeRequest({
  kind,
  numVms,
  hostnames = null,
  requestedBy,
}: Pick<OperationFacts, 'kind' | 'numVms' | 'requestedBy'> & {
  readonly hostnames?: readonly string[] | null | undefined;
}): string {
  const destroyed = `The destruction of ${hostnames === null ? 'all machines' : namesOrCount(hostnames)}`;
  const what = kind === 'launch' ? `A launch of ${machines(numVms ?? 0)}` : destroyed;
  return `${what}, asked for by ${requestedBy}`;
}

const NAMES_SAID = 3;

/** The names of a few machines; of more, how many. */
export function namesOrCount(hostnames: readonly string[]): string {
  return hostnames.length <= NAMES_SAID ? hostnames.join(', ') : machines(hostnames.length);
}

export function machines(count: number): string {
  return count === 1 ? '1 machine' : `${count} machines`;
}

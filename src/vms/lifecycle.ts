// What can happen to a VM, and which status follows: the one table. db/transition.ts carries it out, the meanings of the
// statuses derive from it, and docs/vm-lifecycle.md shows it. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type VmStatus = components['schemas']['VmStatus'];
export type ReportedStatus = components['schemas']['ReportedStatus'];

/** `none`: the VM has no row. */
export type VmState = VmStatus | 'none';

/**
 * The state that follows; the present one begins anew. `before`: the state before the action that has failed. `kept`: nothing
 * changes. `refused`: nothing changes, and the refusal is logged.
 */
export type Outcome = VmState | 'before' | 'kept' | 'refused';

const columns = {
  none: 0,
  initializing: 1,
  running: 2,
  error: 3,
  unreachable: 4,
  recycling: 5,
  destroying: 6,
} as const satisfies Record<VmState, number>;

type Row = readonly [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome, Outcome];

// prettier-ignore
const transitions = {
  // none            initializing    running         error           unreachable     recycling       destroying
  // A VM appears.
  'launch':
    ['initializing', 'refused',      'refused',      'refused',      'refused',      'refused',      'refused'],
  'register':
    ['initializing', 'refused',      'refused',      'refused',      'refused',      'refused',      'refused'],
  'adopt':
    ['unreachable',  'refused',      'refused',      'refused',      'refused',      'refused',      'refused'],
  // It reports. A VM that cannot be reset reports an error; `give-up` is the error that its provider reports.
  'report-initializing':
    ['initializing', 'kept',         'initializing', 'initializing', 'initializing', 'kept',         'kept'],
  'report-running':
    ['running',      'running',      'kept',         'running',      'running',      'kept',         'kept'],
  'report-error':
    ['error',        'error',        'error',        'kept',         'error',        'error',        'kept'],
  'give-up':
    ['kept',         'error',        'error',        'kept',         'error',        'error',        'kept'],
  // It stops responding, and responds again (only silence is ended by this: see db/reports.ts).
  'silence':
    ['kept',         'kept',         'unreachable',  'kept',         'kept',         'kept',         'kept'],
  'response':
    ['kept',         'kept',         'kept',         'kept',         'running',      'kept',         'kept'],
  // A participant gets it, its command is delivered, and the participant leaves it. The VM of a reassigned participant is
  // reset only if it works.
  'claim':
    ['refused',      'refused',      'kept',         'refused',      'refused',      'refused',      'refused'],
  'deliver':
    ['refused',      'kept',         'kept',         'kept',         'kept',         'refused',      'refused'],
  'release':
    ['refused',      'recycling',    'recycling',    'recycling',    'recycling',    'kept',         'kept'],
  'reassign':
    ['refused',      'recycling',    'recycling',    'kept',         'kept',         'kept',         'kept'],
  'reset':
    ['refused',      'running',      'running',      'running',      'running',      'running',      'refused'],
  // An admin acts on it. `mark-healthy-unreset`: it still has the files of a released assignment.
  'mark-healthy':
    ['refused',      'kept',         'kept',         'running',      'running',      'kept',         'kept'],
  'mark-healthy-unreset':
    ['refused',      'kept',         'kept',         'recycling',    'recycling',    'kept',         'kept'],
  'restart':
    ['refused',      'initializing', 'initializing', 'initializing', 'initializing', 'kept',         'refused'],
  'restart-failed':
    ['kept',         'before',       'kept',         'kept',         'kept',         'kept',         'kept'],
  // It ends. `gone`: its provider does not have it any more, but a participant has it.
  'destroy':
    ['kept',         'destroying',   'destroying',   'destroying',   'destroying',   'destroying',   'kept'],
  'destroy-failed':
    ['kept',         'kept',         'kept',         'kept',         'kept',         'kept',         'before'],
  'gone':
    ['kept',         'unreachable',  'unreachable',  'unreachable',  'unreachable',  'unreachable',  'refused'],
  'remove':
    ['kept',         'none',         'none',         'none',         'none',         'none',         'none'],
} as const satisfies Record<string, Row>;

type Rows = typeof transitions;
export type VmEvent = keyof Rows;
/** The events that add a VM. */
export type CreationEvent = { [E in VmEvent]: Rows[E][0] extends VmStatus ? E : never }[VmEvent];
/** The events that change the status of a VM. */
export type StatusEvent = {
  [E in VmEvent]: Extract<Rows[E][1 | 2 | 3 | 4 | 5 | 6], VmStatus | 'before'> extends never ? never : E;
}[VmEvent];

export const vmEvents: readonly VmEvent[] = keysOf(transitions);
export const vmStates: readonly VmState[] = keysOf(columns);
export const vmStatuses: readonly VmStatus[] = vmStates.filter((state) => state !== 'none');

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): Key[] {
  const keys: Key[] = [];
  for (const key in table) keys.push(key);
  return keys;
}

export function outcomeOf(event: VmEvent, state: VmState): Outcome {
  return transitions[event][columns[state]];
}

/** Whether the event changes a VM in this state. */
export function changes(event: VmEvent, state: VmState): boolean {
  return !['kept', 'refused'].includes(outcomeOf(event, state));
}

export function refuses(event: VmEvent, state: VmState): boolean {
  return outcomeOf(event, state) === 'refused';
}

/** An event that the table refuses for the state of this VM. */
export type Refusal = { readonly hostname: string; readonly event: VmEvent; readonly state: VmState };

const meanings = {
  /** The VM can be assigned, and a participant can work on it. */
  usable: (status) => !refuses('claim', status),
  /** Something is wrong; an admin has to look. */
  failed: (status) => changes('mark-healthy', status),
  /** An assigned VM is of no use to its participant. */
  lost: (status) => changes('mark-healthy', status) || refuses('reset', status),
  /** A report that the VM starts or runs counts. If not, the server set the status, and only the server ends it. */
  reportable: (status) => changes('report-initializing', status) || changes('report-running', status),
  /** A waiting VM may be given the command of its assignment. */
  deliverable: (status) => !refuses('deliver', status),
  /** A VM that says that it has been reset is believed. */
  resettable: (status) => !refuses('reset', status),
} as const satisfies Record<string, (status: VmStatus) => boolean>;

export type StatusMeaning = keyof typeof meanings;
export const statusMeanings: readonly StatusMeaning[] = keysOf(meanings);

/** The statuses with this meaning. */
export function statusesThatAre(meaning: StatusMeaning): readonly VmStatus[] {
  return vmStatuses.filter(meanings[meaning]);
}

/** Whether the status has this meaning. */
export function isStatus(status: VmStatus, meaning: StatusMeaning): boolean {
  return meanings[meaning](status);
}

/** A status from the database. Throws for an unknown one, which is a bug. */
export function readVmStatus(stored: string): VmStatus {
  const status = vmStatuses.find((known) => known === stored);
  if (!status) throw new Error(`unknown VM status in the database: ${stored}`);
  return status;
}

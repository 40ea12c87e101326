// What statuses and states are called on admins' pages; participants get a sentence. Pure.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from '../vms/assignment.ts';
import type { VmStatus } from '../vms/lifecycle.ts';

type AssignmentFacts = Pick<components['schemas']['Assignment'], 'state' | 'reassigned_at'>;

export const NOT_ASSIGNED = 'Not assigned';
/** For somebody on the waiting list. */
export const RESERVED = 'Reserved';

export const vmStatusLabels = {
  initializing: 'Starting',
  running: 'Running',
  error: 'Error',
  unreachable: 'Unreachable',
  recycling: 'Resetting',
  destroying: 'Destroying',
} as const satisfies Record<VmStatus, string>;

const assignmentStateLabels = {
  waiting: 'Command not picked up yet',
  sent: 'Command sent',
  sent_unconfirmed: 'Command sent; cannot confirm',
  connected: 'Connected',
  failed: 'Command failed',
  expired: 'Code expired',
  machine_lost: 'Machine lost',
  released: 'Released',
} as const satisfies Record<AssignmentState, string>;

/** What the state of an assignment is called. */
export function assignmentLabel({ state, reassigned_at: movedAt }: AssignmentFacts): string {
  return state === 'expired' && movedAt !== null
    ? 'Moved; needs a new command'
    : assignmentStateLabels[state];
}

// How far a participant's connection is: three steps, for the page and for the browser that keeps it up to date. Pure.
import type { AssignmentState } from '../vms/assignment.ts';

/** What a screen reader hears before the name of a step. */
export const stepLabels = {
  done: 'Done:',
  now: 'In progress:',
  next: 'Next:',
  wrong: 'Failed:',
  unknown: 'Cannot be confirmed:',
} as const;

type StepState = keyof typeof stepLabels;
type Steps = readonly [StepState, StepState, StepState];

/** The command is sent; the machine registers; it is ready. */
const stepsByState = {
  waiting: ['now', 'next', 'next'],
  sent: ['done', 'now', 'next'],
  sent_unconfirmed: ['done', 'unknown', 'unknown'],
  connected: ['done', 'done', 'done'],
  failed: ['done', 'wrong', 'next'],
  expired: ['wrong', 'next', 'next'],
  machine_lost: ['unknown', 'unknown', 'wrong'],
  released: ['unknown', 'unknown', 'wrong'],
} as const satisfies Record<AssignmentState, Steps>;

/** The command had reached the machine, which did not report an outcome in time. */
const EXPIRED_AFTER_DELIVERY: Steps = ['done', 'wrong', 'next'];

export function stepsOf(state: AssignmentState, deliveredAt: string | null): Steps {
  return state === 'expired' && deliveredAt !== null ? EXPIRED_AFTER_DELIVERY : stepsByState[state];
}

const FIRST_DELAY_MS = 2_000;
/** An open page shows what happens to its machine within five seconds, answer included. */
const LONGEST_DELAY_MS = 4_500;
const GROWTH = 1.3;

/** When the page asks again; `before` is the last such time, null after a change. */
export function nextAskMs(before: number | null): number {
  return before === null ? FIRST_DELAY_MS : Math.min(before * GROWTH, LONGEST_DELAY_MS);
}

/** The participant should send a new command. */
export function needsNewCommand(state: AssignmentState): boolean {
  return state === 'failed' || state === 'expired';
}

/** It is worth opening Chrome Remote Desktop. */
export function mayConnect(state: AssignmentState): boolean {
  return state === 'connected' || state === 'sent_unconfirmed';
}

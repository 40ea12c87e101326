// The state of an assignment, and its sentence for the participant. Pure; the clock is an argument.
import type { components } from '../contract/openapi.gen.ts';
import { isStatus, type VmStatus } from './lifecycle.ts';

export type AssignmentState = components['schemas']['AssignmentState'];

export type AssignmentFacts = {
  readonly commandAt: Date;
  readonly deliveredAt: Date | null;
  readonly outcome: 'registered' | 'failed' | null;
  readonly releasedAt: Date | null;
  /** Set if the assignment moved to this machine and no new command has been sent since. */
  readonly reassignedAt: Date | null;
  readonly vmStatus: VmStatus;
  /** Whether the agent acknowledges commands. */
  readonly confirms: boolean;
  /** Whether the agent is asking for a command now. */
  readonly waiting: boolean;
};

/**
 * The state at `now`. A code that was not used within `codeLifetimeMs` has expired; if the machine does not ask for commands
 * either, it is lost, because a new command would not reach it.
 */
export function assignmentState(facts: AssignmentFacts, now: Date, codeLifetimeMs: number): AssignmentState {
  if (facts.releasedAt) return 'released';
  if (isStatus(facts.vmStatus, 'lost')) return 'machine_lost';
  if (facts.outcome === 'registered') return 'connected';
  if (facts.outcome === 'failed') return 'failed';
  if (facts.reassignedAt) return 'expired';
  const isExpired = now.getTime() - facts.commandAt.getTime() >= codeLifetimeMs;
  if (facts.deliveredAt === null) return !isExpired ? 'waiting' : facts.waiting ? 'expired' : 'machine_lost';
  if (!facts.confirms) return 'sent_unconfirmed';
  return isExpired ? 'expired' : 'sent';
}

/** The sentence of `expired` after a reassignment. */
export const movedSentence =
  'Your instructor has assigned you another machine. Get a new command and send it below.';

/** What the state means, then what to do. */
export const assignmentSentences: Readonly<Record<AssignmentState, string>> = {
  waiting: 'Your machine has not picked up the command yet. This usually takes a few seconds.',
  sent: 'The command was sent. The machine is connecting to Chrome Remote Desktop.',
  sent_unconfirmed:
    'The command was sent. This machine cannot confirm that it worked: open Chrome Remote Desktop and look for the machine in about a minute.',
  connected: 'Your machine is connected. Open Chrome Remote Desktop, choose it and enter the PIN.',
  failed:
    'The command did not work on the machine. Its code had probably been used before or had expired. Get a new command and send it below.',
  expired: 'The code expired before the machine could use it. Get a new command and send it below.',
  machine_lost: 'This machine reported an error or cannot be reached. Please tell your instructor.',
  released: 'This machine is no longer assigned to you. You can request another one on the start page.',
};

// What an assignment looks like to its participant: one state, one sentence. Pure; the clock is an argument.
import type { components } from '../contract/openapi.gen.ts';
import { isLost, type VmStatus } from './status.ts';

export type AssignmentState = components['schemas']['AssignmentState'];

export type AssignmentFacts = {
  readonly commandAt: Date;
  readonly deliveredAt: Date | null;
  readonly outcome: 'registered' | 'failed' | null;
  readonly releasedAt: Date | null;
  /** It moved to this machine after its command went to another one, and there was no new command since. */
  readonly movedAt: Date | null;
  /** The machine's status. */
  readonly vmStatus: VmStatus;
  /** Its agent acknowledges what it is given. */
  readonly confirms: boolean;
};

/** The state at `now`. A code that nobody took within `codeLifetimeMs` is dead: codes are single-use and short-lived. */
export function assignmentState(facts: AssignmentFacts, now: Date, codeLifetimeMs: number): AssignmentState {
  if (facts.releasedAt) return 'released';
  if (isLost(facts.vmStatus)) return 'machine_lost';
  if (facts.outcome === 'registered') return 'connected';
  if (facts.outcome === 'failed') return 'failed';
  if (facts.movedAt) return 'expired';
  const codeIsDead = now.getTime() - facts.commandAt.getTime() >= codeLifetimeMs;
  if (facts.deliveredAt === null) return codeIsDead ? 'expired' : 'waiting';
  if (!facts.confirms) return 'sent_unconfirmed';
  return codeIsDead ? 'expired' : 'sent';
}

/** In the place of the sentence of `expired`, where the assignment moved. */
export const movedSentence =
  'Your instructor has given you another machine: this one. Get a fresh command and send it below.';

/** The state in a sentence, with what to do where there is something. */
export const assignmentSentences: Readonly<Record<AssignmentState, string>> = {
  waiting: 'Your machine has not fetched the command yet. This usually takes a few seconds.',
  sent: 'The command was sent; the machine is connecting to Chrome Remote Desktop.',
  sent_unconfirmed:
    'The command was sent. This machine cannot confirm that it worked: open Chrome Remote Desktop and look for it in about a minute.',
  connected: 'Your machine is connected. Open Chrome Remote Desktop, choose it, and enter the PIN.',
  failed:
    'The command did not work on the machine; most often its code was used before or had expired. Get a fresh command and send it below.',
  expired: 'The code grew too old before the machine could use it. Get a fresh command and send it below.',
  machine_lost: 'This machine has reported an error or cannot be reached. Please tell your instructor.',
  released: 'This machine is no longer yours. Ask for another on the start page.',
};

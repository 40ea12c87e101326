// Where things stand for somebody who wants a machine: one state, one sentence, from what is true right now. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { machines } from './operation.ts';

export type LabState = components['schemas']['LabState'];

export type LabFacts = {
  /** Running and nobody's. */
  readonly free: number;
  readonly ready: number;
  /** Not there yet: being made, or booting. */
  readonly starting: number;
  /** Being emptied for the next. */
  readonly emptying: number;
  /** All that there are or are being made, those that are being destroyed left out. */
  readonly total: number;
  /** All are being destroyed, or they were and none has come since. */
  readonly ended: boolean;
};

/** A machine that is free is never hidden: whatever else goes on, it can be had. */
export function labState({ free, starting, total, ended }: LabFacts): LabState {
  if (free > 0) return 'open';
  if (ended) return 'over';
  if (total === 0) return 'not_open';
  return starting > 0 ? 'starting' : 'full';
}

/** The state as a sentence, with what to do where there is something. */
export function labSentence(facts: LabFacts): string {
  const { free, ready, starting, emptying, total } = facts;
  switch (labState(facts)) {
    case 'open':
      return `${machines(free)} ${are(free)} free.${starting > 0 ? ` ${starting} more ${are(starting)} starting.` : ''}`;
    case 'starting':
      return ready === 0
        ? `The machines are starting: none of ${total} is ready yet.`
        : `The machines are starting: ${ready} of ${total} ${are(ready)} ready, and none is free yet.`;
    case 'full':
      return emptying > 0
        ? `No machine is free right now; ${emptying} ${are(emptying)} being prepared for the next. If you have one already, this form brings you back to it.`
        : 'No machine is free right now. If you have one already, this form brings you back to it.';
    case 'not_open':
      return 'The workshop is not open yet: there are no machines so far.';
    case 'over':
      return 'The workshop is over: its machines are being taken down, or are gone already.';
  }
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are';
}

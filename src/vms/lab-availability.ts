// The availability of machines: one state and its sentence, from the present counts. Pure.
import { machines } from './operation.ts';

export type MachineState = 'not_open' | 'starting' | 'open' | 'full';

export type LabFacts = {
  /** Running, not assigned and not reserved. */
  readonly free: number;
  /** People on the waiting list, who come first. */
  readonly waiting: number;
  readonly ready: number;
  /** Being created, or booting. */
  readonly starting: number;
  /** Being reset for the next participant. */
  readonly resetting: number;
  /** All machines, without those that are being destroyed. */
  readonly total: number;
};

/** `open` as long as one machine is free, and nobody waits for one. */
export function machineState({ free, starting, total, waiting }: LabFacts): MachineState {
  if (free > 0 && waiting === 0) return 'open';
  if (total === 0) return 'not_open';
  return starting > 0 ? 'starting' : 'full';
}

/** What the state means, then what to do. */
export function machineSentence(facts: LabFacts): string {
  const { waiting } = facts;
  const queue = waiting === 1 ? '1 person is waiting' : `${waiting} people are waiting`;
  return `${sentenceOf(facts)}${waiting === 0 ? '' : ` ${queue} for one; submit the form to wait too.`}`;
}

function sentenceOf(facts: LabFacts): string {
  const { free, ready, starting, resetting, total } = facts;
  switch (machineState(facts)) {
    case 'open':
      return `${machines(free)} ${are(free)} free.${starting > 0 ? ` ${starting} more ${are(starting)} starting.` : ''}`;
    case 'starting':
      return ready === 0
        ? `The machines are starting: none of ${total} is ready yet.`
        : `The machines are starting: ${ready} of ${total} ${are(ready)} ready, and none is free yet.`;
    case 'full':
      return resetting > 0
        ? `All machines are taken; ${resetting === 1 ? 'one is' : `${resetting} are`} being reset and will be free soon.`
        : ready > 0
          ? 'All machines are taken.'
          : 'No machine is available right now.';
    case 'not_open':
      return 'There are no machines right now. Your instructor can tell you when there are.';
  }
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are';
}

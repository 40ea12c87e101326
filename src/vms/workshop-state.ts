// Whether participants get machines now: before the opening time, after the closing time, and in between as long as one is free. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { machineSentence, machineState, type LabFacts } from './lab-availability.ts';
import type { WorkshopSettings } from './workshop-settings.ts';

export type WorkshopState = 'scheduled' | 'open' | 'full' | 'closed';

type Times = Pick<WorkshopSettings, 'opensAt' | 'closesAt'>;

/** By the clock alone: machines that were launched and destroyed, as in a rehearsal, change nothing. Only the closing time ends a workshop. */
export function openingState({ opensAt, closesAt }: Times, now: Date): Exclude<WorkshopState, 'full'> {
  if (closesAt !== null && now.getTime() >= Date.parse(closesAt)) return 'closed';
  if (opensAt !== null && now.getTime() < Date.parse(opensAt)) return 'scheduled';
  return 'open';
}

/** Machines are assigned while it is `open`. */
export function workshopState(times: Times, now: Date, machines: LabFacts): WorkshopState {
  const state = openingState(times, now);
  return state === 'open' && machineState(machines) === 'full' ? 'full' : state;
}

/** What participants see: the state, with what the machines do while the workshop is open, and a sentence. */
export function labStanding(
  times: Times,
  now: Date,
  machines: LabFacts,
): { readonly state: components['schemas']['LabState']; readonly message: string } {
  const state = workshopState(times, now, machines);
  switch (state) {
    case 'scheduled':
      return { state, message: 'The workshop has not opened yet.' };
    case 'closed':
      return {
        state,
        message:
          'The workshop is closed: no more machines are assigned. If you have a machine, it stays yours until the organiser destroys it: open its page to save your work.',
      };
    case 'open':
    case 'full':
      return { state: machineState(machines), message: machineSentence(machines) };
  }
}

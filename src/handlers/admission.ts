// Who may get a machine now. Whoever has one comes back to it in any case: this is asked before a machine is claimed, or waited for.
import { problem, type ProblemReply } from '../contract/problems.ts';
import type { Settings } from '../db/settings.ts';
import { openingState } from '../vms/workshop-state.ts';
import type { Clock } from './views.ts';

export type AdmissionDependencies = { readonly settings: Settings; readonly now: Clock };

export type Refusal = ProblemReply<'workshop_scheduled' | 'workshop_closed'>;

/** Null = may get one. */
export async function refusalOf({ settings, now }: AdmissionDependencies): Promise<Refusal | null> {
  const state = openingState(await settings.read(), now());
  return state === 'open' ? null : problem(`workshop_${state}`);
}

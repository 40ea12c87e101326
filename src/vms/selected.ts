// Actions on several machines at once: with which machines each is possible, and how many it affects. Pure.
import type { Role } from '../contract/endpoint.ts';
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { components } from '../contract/openapi.gen.ts';
import { mayCall } from '../contract/role.ts';
import { machines } from './operation.ts';
import type { Provider } from './status.ts';

type Schemas = components['schemas'];
export type BulkAction = Schemas['BulkAction'];
export const bulkActions = [
  'release',
  'restart',
  'destroy',
  'download',
] as const satisfies readonly BulkAction[];

/** What carries out each action: who may call that may choose the action. */
const endpointOf = {
  release: 'releaseSelectedVms',
  restart: 'restartSelectedVms',
  destroy: 'destroySelectedVms',
  download: 'downloadSelectedVms',
} as const satisfies Record<BulkAction, EndpointId>;

/** Whether a person of this role may choose the action. */
export function mayChoose(role: Role, action: BulkAction): boolean {
  return mayCall(role, endpointOf[action]);
}

/** Whether a person of this role may cancel such an operation: who may start it. */
export function mayCancel(role: Role, kind: Schemas['OperationKind']): boolean {
  return kind === 'launch' ? mayCall(role, 'createOperation') : mayChoose(role, kind);
}

/** Machines of one action; the contract has the same number. */
export const SELECTED_MAX = 1_000;

export type SelectedFacts = {
  readonly status: Schemas['VmStatus'];
  readonly provider: Provider;
  readonly isAssigned: boolean;
  /** This server can restart machines of its provider. */
  readonly canRestart: boolean;
  /** What a destroy does with it; see provision/providers.ts. */
  readonly fate: 'destroyed' | 'removed' | 'stays';
};

/** Why the action is not possible with this machine, as a sentence; null = it is. `facts` is null where there is no such machine. */
export function hindranceOf(action: BulkAction, facts: SelectedFacts | null): string | null {
  if (facts === null) return 'There is no such machine.';
  const { status, provider, isAssigned, canRestart, fate } = facts;
  const isEnding = status === 'destroying' ? 'The machine is being destroyed.' : null;
  switch (action) {
    case 'release':
      return isAssigned ? null : 'The machine is not assigned.';
    case 'restart':
      return isEnding ?? (canRestart ? null : restartHindrance(provider));
    case 'destroy':
      return (
        isEnding ??
        (fate === 'stays'
          ? `The machine belongs to the provider ${provider}, which this server does not use.`
          : null)
      );
    case 'download':
      return status === 'initializing' ? NOT_STARTED : null;
  }
}

/** What the action does with this machine that differs from others, as a sentence. */
export function noteOf(action: BulkAction, { fate }: Pick<SelectedFacts, 'fate'>): string | null {
  return action === 'destroy' && fate === 'removed'
    ? 'Machines that this server did not launch keep running; they are only removed from the list.'
    : null;
}

/** Why machines of this provider are not restarted. */
export function restartHindrance(provider: Provider): string {
  return `Machines of the provider ${provider} cannot be restarted from here.`;
}

export const NOT_STARTED = 'The machine has not started yet, so there is no work on it.';

/** Why a machine was left as it is that has another participant than the one whom the admin saw. */
export function changedSentence(email: string): string {
  return `The machine has been assigned to ${email} in the meantime, so it was left as it is.`;
}

const willBe = {
  release: 'will be released',
  restart: 'will be restarted',
  destroy: 'will be destroyed or removed from the list',
  download: 'will be searched for files',
} as const satisfies Record<BulkAction, string>;

/** `3 machines will be released; 3 participants are affected. Not possible with 1 machine.` */
export function selectionSentence(
  action: BulkAction,
  { items, possible, participants }: Pick<Schemas['SelectionPreview'], 'items' | 'possible' | 'participants'>,
): string {
  const people =
    participants === 1 ? '1 participant is affected' : `${participants} participants are affected`;
  const affected = `${machines(possible)} ${willBe[action]}; ${participants === 0 ? 'no participant is affected' : people}.`;
  const left = items.length - possible;
  const impossible = left === 0 ? [] : [`Not possible with ${machines(left)}.`];
  return [...(possible === 0 ? [] : [affected]), ...impossible].join(' ');
}

// Which endpoints a role may call: `x-role` of the contract. Other people get 403, and no button for it.
import type { Role } from './endpoint.ts';
import type { Caller } from './handlers.ts';
import { endpoints, type EndpointId } from './endpoints.gen.ts';

/** A person who has signed in: whose name pages show, and what they offer. */
export type Viewer = { readonly user: string; readonly role: Role };

/** Null where no person has signed in. */
export function viewerOf(caller: Caller | null): Viewer | null {
  return caller?.kind === 'admin' ? { user: caller.user, role: caller.role } : null;
}

/** Whether a person of this role may call the endpoint. */
export function mayCall(role: Role, id: EndpointId): boolean {
  return role === 'admin' || endpoints[id].role !== 'admin';
}

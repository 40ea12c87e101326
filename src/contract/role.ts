// Which endpoints a role may call: `x-role` of the contract. Whoever may not call an endpoint gets 403, and no button for it.
import type { Role } from './endpoint.ts';
import { endpoints, type EndpointId } from './endpoints.gen.ts';

/** Whether a person of this role may call the endpoint. */
export function mayCall(role: Role, id: EndpointId): boolean {
  return role === 'admin' || endpoints[id].role !== 'admin';
}

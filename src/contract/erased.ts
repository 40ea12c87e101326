// The endpoint table and the handlers as the adapter sees them, without the types of each endpoint: what the compiler
// cannot see there, validation vouches for. Knows no HTTP library.
import type { AnyReply, ArrivedBy, Caller, Handlers } from './handlers.ts';
import type { EndpointInfo } from './endpoint.ts';
import { endpoints, type EndpointId } from './endpoints.gen.ts';

/** An entry of the table that knows its own name. */
export type Endpoint = EndpointInfo & { readonly id: EndpointId };

/** The table as a list, in the order of the contract. */
export const endpointList: readonly Endpoint[] = Object.entries(endpoints).map(([id, info]) => ({
  ...(info as EndpointInfo),
  id: id as EndpointId,
}));

/** The input of any endpoint. */
export type AnyInput = {
  readonly path: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly browserId: string | null;
  readonly address: string;
  readonly network: string;
  readonly accept: string;
  readonly lastEventId: string | null;
  readonly idempotencyKey: string | null;
  readonly arrivedBy: ArrivedBy;
  readonly signal: AbortSignal;
};

export type AnyHandler = (input: AnyInput) => AnyReply | Promise<AnyReply>;

/** The handler of an endpoint. Only a validated input may be given to it. */
export function handlerOf(handlers: Handlers, id: EndpointId): AnyHandler {
  return handlers[id] as unknown as AnyHandler;
}

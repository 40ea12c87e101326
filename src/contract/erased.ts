// The operation table and the handlers as the adapter sees them, without the types of each operation: what the compiler
// cannot see there, validation vouches for. Knows no HTTP library.
import type { AnyReply, Caller, Handlers } from './handlers.ts';
import type { OperationInfo } from './operation.ts';
import { operations, type OperationId } from './operations.gen.ts';

/** An entry of the table that knows its own name. */
export type Operation = OperationInfo & { readonly id: OperationId };

/** The table as a list, in the order of the contract. */
export const operationList: readonly Operation[] = Object.entries(operations).map(([id, info]) => ({
  ...(info as OperationInfo),
  id: id as OperationId,
}));

/** The input of any operation. */
export type AnyInput = {
  readonly path: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly browserId: string | null;
  readonly accept: string;
  readonly lastEventId: string | null;
  readonly signal: AbortSignal;
};

export type AnyHandler = (input: AnyInput) => AnyReply | Promise<AnyReply>;

/** The handler of an operation. Only a validated input may be given to it. */
export function handlerOf(handlers: Handlers, id: OperationId): AnyHandler {
  return handlers[id] as unknown as AnyHandler;
}

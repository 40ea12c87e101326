// Whether a reply is one that the contract declares: status, media type, body. Types prove most of it; this proves the
// rest, and what came from elsewhere.
import { Readable } from 'node:stream';
import type { Endpoint } from '../contract/erased.ts';
import type { AnyReply, ServerSentEvent } from '../contract/handlers.ts';
import type { Validator } from './validator.ts';

const EVENTS = 'text/event-stream';

export function isJsonType(type: string): boolean {
  return type === 'application/json' || type === 'application/problem+json';
}

export function isEvents(
  reply: AnyReply,
): reply is AnyReply & { readonly body: AsyncIterable<ServerSentEvent> } {
  const { type, body } = reply;
  return type === EVENTS && typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

/** What breaks the contract; null = nothing. */
export async function replyFault(
  validator: Validator,
  endpoint: Endpoint,
  reply: AnyReply,
): Promise<string | null> {
  const declared = endpoint.responses[String(reply.status)];
  if (declared === undefined) return `status ${reply.status} is not declared`;
  if (!declared.includes(reply.type)) return `${reply.type} is not declared for status ${reply.status}`;
  if (isJsonType(reply.type)) return validator.response(endpoint, reply);
  if (typeof reply.body === 'string' || reply.body instanceof Readable || isEvents(reply)) return null;
  return `the body is no ${reply.type}`;
}

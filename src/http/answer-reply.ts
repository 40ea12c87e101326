// A reply of a handler, sent as what it is: JSON, text, a stream of bytes, a stream of events. The compiler proves that
// the contract declares it; what it cannot see is checked here, and the JSON by the validator.
import { Readable } from 'node:stream';
import type { Endpoint } from '../contract/erased.ts';
import type { AnyReply, ServerSentEvent } from '../contract/handlers.ts';
import { isJsonType } from './accept.ts';
import { isOver, type RequestContext } from './context.ts';
import { isRecord } from './records.ts';
import { sendEvents } from './send-events.ts';
import { sendStream } from './send-stream.ts';
import { jsonText, prepareHead, sendWhole } from './send.ts';

/** Throws where the reply breaks the contract and such faults throw, or where its stream fails before it begins. */
export async function answerReply(
  context: RequestContext,
  endpoint: Endpoint,
  reply: AnyReply,
): Promise<void> {
  holdErrors(reply);
  const fault = replyFault(endpoint, reply);
  if (fault !== null) {
    release(reply);
    context.adapter.onResponseFault(context, fault);
  }
  if (isOver(context)) {
    release(reply);
    return;
  }
  if (reply.body === null && reply.type === '') {
    prepareHead(context, reply);
    context.res.removeHeader('Content-Type');
    context.res.end();
    return;
  }
  if (isEvents(reply)) return sendEvents(context, reply.headers, reply.body);
  if (reply.body instanceof Readable) return sendStream(context, reply, reply.body);
  if (isJsonType(reply.type)) sendJson(context, reply, fault === null);
  else await sendText(context, reply);
}

/** `validated`: by way of `res.json`, where the validator looks at the body. */
function sendJson(context: RequestContext, reply: AnyReply, validated: boolean): void {
  prepareHead(context, reply);
  const { type, body } = reply;
  const isProblem = type === 'application/problem+json' && isRecord(body);
  const value = isProblem ? { ...body, request_id: context.requestId } : body;
  if (validated) context.res.json(value);
  else sendWhole(context, jsonText(value));
}

async function sendText(context: RequestContext, reply: AnyReply): Promise<void> {
  const { adapter, req, res } = context;
  const encoded = await adapter.compressOnce(req, reply);
  if (isOver(context)) return;
  prepareHead(context, reply);
  if (encoded !== null) res.set('Content-Encoding', encoded.encoding).vary('Accept-Encoding');
  sendWhole(context, encoded?.body ?? String(reply.body));
}

function isEvents(reply: AnyReply): reply is AnyReply & { readonly body: AsyncIterable<ServerSentEvent> } {
  const { type, body } = reply;
  return (
    type === 'text/event-stream' && typeof body === 'object' && body !== null && Symbol.asyncIterator in body
  );
}

/** The status, type or kind of body that the contract does not declare; null = nothing. */
function replyFault(endpoint: Endpoint, reply: AnyReply): string | null {
  const declared = endpoint.responses[String(reply.status)];
  if (declared === undefined) return `status ${reply.status} is not declared`;
  if (reply.body === null && declared.length === 0) return null;
  if (!declared.includes(reply.type)) return `${reply.type} is not declared for status ${reply.status}`;
  if (isJsonType(reply.type) || typeof reply.body === 'string') return null;
  return reply.body instanceof Readable || isEvents(reply) ? null : `the body is no ${reply.type}`;
}

/** A stream may fail before anybody reads it, and an error without a listener ends the process. */
function holdErrors({ body }: AnyReply): void {
  if (body instanceof Readable) body.on('error', () => undefined);
}

/** Closes what nobody will read. */
function release(reply: AnyReply): void {
  if (reply.body instanceof Readable) reply.body.destroy();
  else if (isEvents(reply))
    reply.body[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
}

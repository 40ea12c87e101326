// A reply of a handler, sent as what it is: JSON, text, a stream of bytes, a stream of events.
import { Readable } from 'node:stream';
import type { Endpoint } from '../contract/erased.ts';
import type { AnyReply } from '../contract/handlers.ts';
import type { Adapter } from './adapter.ts';
import { mergeHeaders } from './answer-headers.ts';
import { isOver, type Exchange } from './exchange.ts';
import { isRecord } from './records.ts';
import { isEvents, isJsonType, replyFault } from './reply-check.ts';
import { sendEvents } from './send-events.ts';
import { sendStream } from './send-stream.ts';
import { send } from './send.ts';

const RETRY_AFTER_SECONDS = 5;

/** Throws where the reply breaks the contract and that is not let pass, or where its stream fails before it begins. */
export async function answerReply(
  adapter: Adapter,
  exchange: Exchange,
  endpoint: Endpoint,
  reply: AnyReply,
): Promise<void> {
  holdErrors(reply);
  const fault = await replyFault(adapter.validator, endpoint, reply);
  if (fault !== null) {
    release(reply);
    adapter.onResponseFault(exchange, fault);
  }
  if (isOver(exchange)) {
    release(reply);
    return;
  }
  const headers = retryHeaders(reply);
  if (isEvents(reply)) return sendEvents(adapter, exchange, headers, reply.body);
  if (reply.body instanceof Readable) return sendStream(adapter, exchange, { ...reply, headers }, reply.body);
  const { status, type } = reply;
  const body = replyText(reply, exchange.requestId);
  send(adapter, exchange, { status, type, ...(await adapter.compress(exchange, { type, headers, body })) });
}

/** The body of a reply that is sent whole. */
export function replyText({ type, body }: AnyReply, requestId: string): string {
  if (type === 'application/problem+json' && isRecord(body))
    return JSON.stringify({ ...body, request_id: requestId });
  if (typeof body === 'string' && !isJsonType(type)) return body;
  return JSON.stringify(body === undefined ? null : body);
}

/** The contract promises Retry-After with every 429 and 503, also on pages. */
export function retryHeaders({
  status,
  headers = {},
}: Pick<AnyReply, 'status' | 'headers'>): Readonly<Record<string, string>> {
  if (status !== 429 && status !== 503) return headers;
  return mergeHeaders({ 'Retry-After': String(RETRY_AFTER_SECONDS) }, headers);
}

/** A stream may fail before anybody reads it, and an error that nobody hears ends the process. */
function holdErrors({ body }: AnyReply): void {
  if (body instanceof Readable) body.on('error', () => undefined);
}

/** What nobody will read is let go. */
export function release(reply: AnyReply): void {
  if (reply.body instanceof Readable) reply.body.destroy();
  else if (isEvents(reply))
    reply.body[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
}

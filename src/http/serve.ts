// One request of an operation, from its first byte to the handler and back.
import { handlerOf, type Operation } from '../contract/erased.ts';
import type { AnyReply } from '../contract/handlers.ts';
import { mergeHeaders } from './answer-headers.ts';
import type { Adapter } from './adapter.ts';
import { answerError } from './answer-error.ts';
import { answerReply } from './answer-reply.ts';
import { browserCookieHeader } from './browser-cookie.ts';
import type { Exchange } from './exchange.ts';
import { answerKeptAlive } from './keep-alive.ts';
import { prepareInput, type Prepared } from './request-input.ts';

/** Never rejects. */
export async function serve(adapter: Adapter, exchange: Exchange, operation: Operation): Promise<void> {
  try {
    const prepared = await prepareInput(adapter, exchange, operation);
    await answer(adapter, exchange, operation, prepared);
  } catch (error) {
    answerError(adapter, exchange, error);
  }
}

function answer(
  adapter: Adapter,
  exchange: Exchange,
  operation: Operation,
  prepared: Prepared,
): Promise<void> {
  const handle = handlerOf(adapter.options.handlers, operation.id);
  const pending = Promise.try(handle, prepared.input);
  if (operation.keepAliveSeconds !== null) return answerKeptAlive(adapter, exchange, operation, pending);
  const { newBrowserId } = prepared;
  return pending.then((reply) =>
    answerReply(
      adapter,
      exchange,
      operation,
      newBrowserId === null ? reply : withCookie(adapter, reply, newBrowserId),
    ),
  );
}

function withCookie({ browserCookie }: Adapter, reply: AnyReply, browserId: string): AnyReply {
  const cookie = { 'Set-Cookie': browserCookieHeader(browserId, browserCookie) };
  return { ...reply, headers: mergeHeaders(reply.headers ?? {}, cookie) };
}

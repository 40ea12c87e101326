// One request of an endpoint, from its first byte to the handler and back.
import { handlerOf, type Endpoint } from '../contract/erased.ts';
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
export async function serve(adapter: Adapter, exchange: Exchange, endpoint: Endpoint): Promise<void> {
  try {
    const prepared = await prepareInput(adapter, exchange, endpoint);
    await answer(adapter, exchange, endpoint, prepared);
  } catch (error) {
    answerError(adapter, exchange, error);
  }
}

function answer(adapter: Adapter, exchange: Exchange, endpoint: Endpoint, prepared: Prepared): Promise<void> {
  const handle = handlerOf(adapter.options.handlers, endpoint.id);
  const pending = Promise.try(handle, prepared.input);
  if (endpoint.keepAliveSeconds !== null) return answerKeptAlive(adapter, exchange, endpoint, pending);
  const { newBrowserId } = prepared;
  return pending.then((reply) =>
    answerReply(
      adapter,
      exchange,
      endpoint,
      newBrowserId === null ? reply : withCookie(adapter, reply, newBrowserId),
    ),
  );
}

function withCookie({ browserCookie }: Adapter, reply: AnyReply, browserId: string): AnyReply {
  const cookie = { 'Set-Cookie': browserCookieHeader(browserId, browserCookie) };
  return { ...reply, headers: mergeHeaders(reply.headers ?? {}, cookie) };
}

// The answer that may take for ever: while the handler waits, a space now and then keeps proxies from cutting the
// connection. JSON allows it. After the first space only a 200 may end the answer; anything else cuts it.
import type { Endpoint } from '../contract/erased.ts';
import type { AnyReply } from '../contract/handlers.ts';
import type { Adapter } from './adapter.ts';
import { answerHeaders } from './answer-headers.ts';
import { answerReply, replyText } from './answer-reply.ts';
import { isOver, slim, type Exchange } from './exchange.ts';
import { replyFault } from './reply-check.ts';

const TYPE = 'application/json';
const SPACE = ' ';

/** Rejects as the handler does, and where its reply breaks the contract. */
export async function answerKeptAlive(
  adapter: Adapter,
  exchange: Exchange,
  endpoint: Endpoint,
  pending: Promise<AnyReply>,
): Promise<void> {
  slim(exchange);
  const seconds = endpoint.keepAliveSeconds ?? 0;
  const leave = adapter.beatOf(seconds).join(() => sendSpace(adapter, exchange));
  const reply = await pending.finally(leave);
  if (exchange.res.headersSent) await endAfterSpaces(adapter, exchange, endpoint, reply);
  else await answerReply(adapter, exchange, endpoint, reply);
}

function sendSpace(adapter: Adapter, exchange: Exchange): void {
  const { res } = exchange;
  if (isOver(exchange)) return;
  if (!res.headersSent) {
    res.writeHead(200, {
      ...answerHeaders(adapter, exchange, { 'X-Accel-Buffering': 'no' }),
      'Content-Type': TYPE,
    });
    // Or Node keeps the head in pieces, 900 bytes of them, for as long as the poll waits.
    res.flushHeaders();
  }
  // Who reads nothing for that long is not there.
  if (res.writableLength > adapter.limits.unreadSpacesBytes) res.destroy();
  else res.write(SPACE);
}

async function endAfterSpaces(
  adapter: Adapter,
  exchange: Exchange,
  endpoint: Endpoint,
  reply: AnyReply,
): Promise<void> {
  const { res, requestId } = exchange;
  const fault = await replyFault(adapter.validator, endpoint, reply);
  if (fault !== null) adapter.onResponseFault(exchange, fault);
  if (reply.status === 200 && reply.type === TYPE) res.end(replyText(reply, requestId));
  else res.destroy();
}

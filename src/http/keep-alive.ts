// The answer of a long poll: while the handler waits, a space now and then keeps proxies from cutting the connection. JSON
// allows it. After the first space only a 200 may end the answer; anything else cuts the connection.
import type { Endpoint } from '../contract/erased.ts';
import type { AnyReply } from '../contract/handlers.ts';
import { answerReply } from './answer-reply.ts';
import { isOver, type RequestContext } from './context.ts';
import { answerHeaders, jsonText } from './send.ts';

const TYPE = 'application/json';
const SPACE = ' ';

/** Rejects as the handler does, and where its reply breaks the contract. */
export async function answerKeptAlive(
  context: RequestContext,
  endpoint: Endpoint,
  pending: Promise<AnyReply>,
): Promise<void> {
  releaseMemory(context);
  const intervalMs = (endpoint.keepAliveSeconds ?? 0) * context.adapter.limits.keepAliveSecondMs;
  const timer = setInterval(sendSpace, intervalMs, context);
  const reply = await pending.finally(() => clearInterval(timer));
  const { res } = context;
  if (!res.headersSent) return answerReply(context, endpoint, reply);
  if (reply.status === 200 && reply.type === TYPE) res.end(jsonText(reply.body));
  else res.destroy();
}

/** What a request that waits needs no more. Members are emptied, not deleted: deleting costs more than it frees. */
const NOT_NEEDED = ['next', '_parsedUrl', 'rateLimit', 'body', 'query', 'params'];

/** Measured: 2.5 of the 25 KiB that a waiting poll costs, most of which are Node's own. */
function releaseMemory({ req }: RequestContext): void {
  req.headers = {};
  req.rawHeaders = [];
  for (const name of NOT_NEEDED) Reflect.set(req, name, undefined);
}

function sendSpace(context: RequestContext): void {
  const { adapter, res } = context;
  if (isOver(context)) return;
  if (!res.headersSent) {
    const head = { status: 200, type: TYPE, headers: { 'X-Accel-Buffering': 'no' } };
    // Not by `setHeader`: Node keeps what was set there, 1.8 KiB, for as long as the poll waits.
    res.writeHead(200, answerHeaders(context, head));
    // Or Node keeps the head in pieces, 900 bytes of them, for as long as the poll waits.
    res.flushHeaders();
  }
  // A client that reads nothing for that long is gone.
  if (res.writableLength > adapter.limits.unreadSpacesBytes) res.destroy();
  else res.write(SPACE);
}

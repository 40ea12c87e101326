// Sends a whole answer. A refused body that still comes is read for a little while, so that its sender gets to read why;
// cut at once, the connection would take the answer with it.
import type { Adapter } from './adapter.ts';
import { answerHeaders, contentType } from './answer-headers.ts';
import { isOver, type Exchange } from './exchange.ts';
import { declaredBytes } from './read-body.ts';

export type WholeAnswer = {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** A rest of a refused body that is no longer than this is read by Node, and the connection lives on. */
const SMALL_REST_BYTES = 65_536;

export function send(
  adapter: Adapter,
  exchange: Exchange,
  { status, type, body, headers = {} }: WholeAnswer,
): void {
  const { res } = exchange;
  if (isOver(exchange) || res.headersSent) return;
  const leaves = restIsLarge(exchange);
  res.writeHead(status, {
    ...answerHeaders(adapter, exchange, headers),
    'Content-Type': contentType(type),
    'Content-Length': Buffer.byteLength(body),
    ...(leaves && { Connection: 'close' }),
  });
  if (leaves) linger(exchange, body, adapter.limits.lingerMs);
  // A string is sent in one piece with the headers.
  else res.end(body);
}

/** Also where the client waits to be told that it may send (100-continue), and never was. */
function restIsLarge({ req }: Exchange): boolean {
  if (req.complete) return false;
  if (req.headers.expect !== undefined || req.headers['transfer-encoding'] !== undefined) return true;
  return (declaredBytes(req) ?? 0) > SMALL_REST_BYTES;
}

function linger({ req, res }: Exchange, body: string | Buffer, lingerMs: number): void {
  // All of the answer, but not yet its end, which would close the connection.
  res.write(body);
  const end = (): void => {
    clearTimeout(timer);
    req.off('end', end).off('close', end);
    res.end();
  };
  const timer = setTimeout(end, lingerMs);
  req.on('end', end).on('close', end);
  req.resume();
}

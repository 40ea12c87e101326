// Sends server-sent events as they come. One writer; a heartbeat says that the connection lives; it ends with the
// request, or when the server lets go.
import type { ServerResponse } from 'node:http';
import type { ServerSentEvent } from '../contract/handlers.ts';
import type { Adapter } from './adapter.ts';
import { answerHeaders, contentType } from './answer-headers.ts';
import { signalOf, type Exchange } from './exchange.ts';

const TYPE = 'text/event-stream';
const HEARTBEAT = ':\n\n';

/** Never rejects. A source that fails cuts the connection: EventSource comes again, and resumes. */
export async function sendEvents(
  adapter: Adapter,
  exchange: Exchange,
  headers: Readonly<Record<string, string>>,
  events: AsyncIterable<ServerSentEvent>,
): Promise<void> {
  const { req, res, requestId } = exchange;
  const iterator = events[Symbol.asyncIterator]();
  const signal = signalOf(exchange);
  res.writeHead(200, {
    ...answerHeaders(adapter, exchange, { 'X-Accel-Buffering': 'no', ...headers }),
    'Content-Type': contentType(TYPE),
  });
  try {
    if (req.method !== 'HEAD') await relay(res, iterator, signal, adapter.limits.heartbeatMs);
    res.end();
  } catch (error) {
    adapter.options.log.error({ err: error, request_id: requestId }, 'A stream of events broke off.');
    res.destroy();
  } finally {
    leave(iterator);
  }
}

/** Not waited for: a generator that hangs in its own wait would hold everybody up. It has the signal. */
function leave(iterator: AsyncIterator<unknown>): void {
  iterator.return?.().catch(() => undefined);
}

async function relay(
  res: ServerResponse,
  iterator: AsyncIterator<ServerSentEvent>,
  signal: AbortSignal,
  heartbeatMs: number,
): Promise<void> {
  const heartbeat = setInterval(() => {
    if (!res.writableNeedDrain) res.write(HEARTBEAT);
  }, heartbeatMs);
  try {
    res.write(HEARTBEAT);
    for (;;) {
      const next = await unlessAborted(signal, iterator.next());
      if (next === null || next.done === true) return;
      if (!res.write(formatEvent(next.value)) && (await unlessAborted(signal, drained(res))) === null) return;
    }
  } finally {
    clearInterval(heartbeat);
  }
}

/** One event on the wire. JSON has no line break in it; the names must not have one either. */
export function formatEvent({ id, event, data }: ServerSentEvent): string {
  const fields = [
    ...(event === undefined ? [] : [`event: ${oneLine(event)}`]),
    ...(id === undefined ? [] : [`id: ${oneLine(id)}`]),
    `data: ${JSON.stringify(data === undefined ? null : data)}`,
  ];
  return `${fields.join('\n')}\n\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]/g, '');
}

function drained(res: ServerResponse): Promise<true> {
  return new Promise((resolve) => res.once('drain', () => resolve(true)));
}

/** null = aborted. Not Promise.race: a promise that lives as long as the stream would collect what waits on it. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.resolve(null);
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => resolve(null);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

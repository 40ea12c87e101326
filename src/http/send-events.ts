// Sends server-sent events as they come. One writer; a heartbeat says that the connection lives; it ends with the
// request, or when the server stops.
import type { ServerResponse } from 'node:http';
import { untilAborted } from '../async/abort.ts';
import type { ServerSentEvent } from '../contract/handlers.ts';
import { signalOf, type RequestContext } from './context.ts';
import { prepareHead } from './send.ts';

const HEARTBEAT = ':\n\n';

/** Never rejects. A source that fails cuts the connection: EventSource comes again, and resumes. */
export async function sendEvents(
  context: RequestContext,
  headers: Readonly<Record<string, string>> | undefined,
  events: AsyncIterable<ServerSentEvent>,
): Promise<void> {
  const { adapter, req, res, requestId } = context;
  const iterator = events[Symbol.asyncIterator]();
  const signal = signalOf(context);
  prepareHead(context, {
    status: 200,
    type: 'text/event-stream',
    headers: { 'X-Accel-Buffering': 'no', ...headers },
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
      const next = await untilAborted(iterator.next(), signal);
      if (next === null || next.done === true) return;
      if (!res.write(formatEvent(next.value)) && (await untilAborted(drained(res), signal)) === null) return;
    }
  } finally {
    clearInterval(heartbeat);
  }
}

/** One event on the wire. JSON has no line break in it; the names must not have one either. */
function formatEvent({ id, event, data }: ServerSentEvent): string {
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

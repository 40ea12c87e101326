// Sends bytes as they come, no faster than the client takes them. A client that leaves ends the stream, and a stream
// that fails cuts the connection: a half answer must not look whole.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Adapter } from './adapter.ts';
import { answerHeaders, contentType } from './answer-headers.ts';
import { isOver, signalOf, type Exchange } from './exchange.ts';

export type StreamAnswer = {
  readonly status: number;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** Rejects with the stream's error where nothing was sent yet, so that it can still be told properly. */
export async function sendStream(
  adapter: Adapter,
  exchange: Exchange,
  { status, type, headers = {} }: StreamAnswer,
  body: Readable,
): Promise<void> {
  const { req, res } = exchange;
  try {
    if (req.method !== 'HEAD') await firstBytes(exchange, body);
  } catch (error) {
    body.destroy();
    if (isOver(exchange)) return;
    throw error;
  }
  res.writeHead(status, { ...answerHeaders(adapter, exchange, headers), 'Content-Type': contentType(type) });
  if (req.method === 'HEAD') {
    body.destroy();
    res.end();
    return;
  }
  try {
    await pipeline(body, res);
  } catch (error) {
    // Where the client left, that is all there is to it.
    const left = error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!left)
      adapter.options.log.error({ err: error, request_id: exchange.requestId }, 'A stream broke off.');
  }
}

/** Waits until the stream has something, has ended, or has failed: then it rejects. */
function firstBytes(exchange: Exchange, body: Readable): Promise<void> {
  const signal = signalOf(exchange);
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      body.off('readable', onReadable).off('error', settle).off('close', onReadable);
      signal.removeEventListener('abort', onAbort);
      if (error === null) resolve();
      else reject(error);
    };
    const onReadable = (): void => settle(null);
    const onAbort = (): void =>
      settle(new Error('nobody waits for the stream any more', { cause: signal.reason }));
    body.on('error', settle).on('close', onReadable);
    signal.addEventListener('abort', onAbort);
    if (body.errored) settle(body.errored);
    else if (body.destroyed || body.readableLength > 0 || body.readableEnded) settle(null);
    else if (signal.aborted) onAbort();
    else body.on('readable', onReadable);
  });
}

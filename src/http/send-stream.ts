// Sends bytes as they come, no faster than the client takes them. A client that leaves ends the stream, and a stream
// that fails cuts the connection: a half answer must not look whole.
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isOver, signalOf, type RequestContext } from './context.ts';
import { prepareHead, type AnswerHead } from './send.ts';

/** Rejects with the stream's error where nothing was sent yet, so that the error can still be answered properly. */
export async function sendStream(context: RequestContext, head: AnswerHead, body: Readable): Promise<void> {
  const { adapter, req, res } = context;
  try {
    if (req.method !== 'HEAD') await firstBytes(context, body);
  } catch (error) {
    body.destroy();
    if (isOver(context)) return;
    throw error;
  }
  prepareHead(context, head);
  adapter.compress(req, res);
  if (req.method === 'HEAD') {
    body.destroy();
    res.end();
    return;
  }
  try {
    await pipeline(body, res);
  } catch (error) {
    // That the client left is no error.
    const left = error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!left)
      adapter.options.log.error({ err: error, request_id: context.requestId }, 'A stream broke off.');
  }
}

/** Waits until the stream has something or has ended. Rejects where it fails, or the request is aborted. */
async function firstBytes(context: RequestContext, body: Readable): Promise<void> {
  if (body.errored) throw body.errored;
  if (body.destroyed || body.readableLength > 0 || body.readableEnded) return;
  const signal = signalOf(context);
  await Promise.race([once(body, 'readable', { signal }), once(body, 'close', { signal })]);
}

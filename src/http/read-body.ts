// The bytes of a body: at most as many as the endpoint allows, counted before and after unpacking. Knows no format.
// Whoever is refused is answered at once; the rest of the body is dealt with where the answer is sent.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { ProblemError } from '../contract/problems.ts';

type Unpack = (packed: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const unpackers: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

const EMPTY = Buffer.alloc(0);

/** Whether the request has a body, which may be of no length. */
export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || (declaredBytes(req) ?? 0) > 0;
}

/** The Content-Length; undefined where the length is not told. */
export function declaredBytes(req: IncomingMessage): number | undefined {
  const header = req.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}

/** Throws `body_too_large`, `unsupported_media_type` (an encoding), `bad_request` (damaged), `request_incomplete`. */
export async function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  limitBytes: number,
): Promise<Buffer> {
  if (!hasBody(req)) return EMPTY;
  if ((declaredBytes(req) ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const encoding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  const unpack = Object.hasOwn(unpackers, encoding) ? unpackers[encoding] : undefined;
  if (unpack === undefined && encoding !== 'identity') throw unknownEncoding();
  if (req.headers.expect !== undefined) res.writeContinue();
  const bytes = await collect(req, limitBytes);
  return unpack === undefined ? bytes : unpackWithin(unpack, bytes, limitBytes);
}

function collect(req: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (error: ProblemError | null): void => {
      req.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      if (error === null) resolve(Buffer.concat(chunks, size));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= limitBytes) return;
      req.pause();
      settle(tooLarge(limitBytes));
    };
    const onEnd = (): void => settle(null);
    const onGone = (): void => settle(new ProblemError('request_incomplete'));
    req.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    if (req.destroyed) onGone();
  });
}

async function unpackWithin(unpack: Unpack, packed: Buffer, limitBytes: number): Promise<Buffer> {
  try {
    return await unpack(packed, { maxOutputLength: limitBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(limitBytes);
    throw new ProblemError('bad_request', { detail: 'The compressed body is damaged or incomplete.' });
  }
}

function tooLarge(limitBytes: number): ProblemError {
  return new ProblemError('body_too_large', {
    detail: `The body is over the limit of this endpoint (${limitBytes} bytes). Send less at once.`,
  });
}

function unknownEncoding(): ProblemError {
  return new ProblemError('unsupported_media_type', {
    detail: 'The content encoding is not supported here. Send the body as it is, or as gzip, deflate or br.',
  });
}

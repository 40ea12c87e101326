// Compression of whole answers: the `compression` package for what is made for one request, and a cache for what never
// changes. Long polls and streams of events are not compressed, because nothing of them may be held back.
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import compression from 'compression';
import type { Request, Response } from 'express';
import type { AnyReply } from '../contract/handlers.ts';

/** A shorter answer would gain nothing. */
const LEAST_BYTES = 1_024;
const KEPT_BODIES = 128;

const encoders = {
  br: (body: string) => promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: (body: string) => promisify(gzip)(body, { level: 9 }),
} as const;

/** To be called when the head is set and before anything is sent, with the length of the body where it is known. */
export type Compress = (req: Request, res: Response, bytes?: number) => void;

/**
 * Not where another site asks: the length of a compressed answer that mixes a secret with what the asker chose would give
 * the secret away, byte by byte (the attack is called BREACH). No middleware, because most answers are short, and what `compression`
 * adds to a response keeps its memory until a full collection.
 */
export function createCompression(): Compress {
  const compress = compression({ threshold: LEAST_BYTES });
  return (req, res, bytes = LEAST_BYTES) => {
    if (bytes < LEAST_BYTES || req.headers['sec-fetch-site'] === 'cross-site') return;
    if (req.headers['accept-encoding'] !== undefined) compress(req, res, () => undefined);
    else if (compression.filter(req, res)) res.vary('Accept-Encoding');
  };
}

type Encoded = { readonly body: Buffer; readonly encoding: keyof typeof encoders };
/** Null where the reply may change, or gains nothing, or the client reads no encoding. */
export type CompressOnce = (req: Request, reply: AnyReply) => Promise<Encoded | null>;

/** Compresses each body that never changes once, as well as it can be. */
export function createCompressOnce(): CompressOnce {
  const kept = { br: new Map<string, Promise<Buffer>>(), gzip: new Map<string, Promise<Buffer>>() };
  return async (req, { body, headers, type }) => {
    const isImmutable = headers?.['Cache-Control']?.includes('immutable') ?? false;
    if (!isImmutable || typeof body !== 'string' || body.length < LEAST_BYTES || !isText(type)) return null;
    const encoding = req.acceptsEncodings(['br', 'gzip']);
    if (encoding !== 'br' && encoding !== 'gzip') return null;
    const encoded = kept[encoding].get(body) ?? encoders[encoding](body);
    if (kept[encoding].size < KEPT_BODIES) kept[encoding].set(body, encoded);
    return { body: await encoded, encoding };
  };
}

function isText(type: string): boolean {
  return type.startsWith('text/') || type === 'image/svg+xml' || type === 'application/json';
}

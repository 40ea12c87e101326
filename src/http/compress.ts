// Whole answers of text, as small as the client can read them. What is never to change is compressed once, and well.
// Long polls and streams do not come here: nothing that is sent bit by bit is held back.
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Exchange } from './exchange.ts';

export type Compressed = {
  readonly body: string | Buffer;
  readonly headers: Readonly<Record<string, string>>;
};
export type Compress = (exchange: Exchange, answer: Compressible) => Promise<Compressed>;

type Compressible = {
  readonly type: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
};
type Encoding = 'br' | 'gzip';
type Encode = (body: string, quality: Quality) => Promise<Buffer>;
type Quality = 'quick' | 'best';

export type CompressLimits = {
  /** A shorter body would gain nothing. */
  readonly leastBytes: number;
  /** A longer body is sent as it is. */
  readonly mostBytes: number;
  /** Compressions at the same time; beyond, answers are sent as they are. */
  readonly atOnce: number;
  /** Bodies that never change, kept compressed. */
  readonly kept: number;
};

const defaultCompressLimits: CompressLimits = {
  leastBytes: 1_024,
  mostBytes: 16_777_216,
  atOnce: 16,
  kept: 128,
};

const TEXTS: ReadonlySet<string> = new Set([
  'application/json',
  'application/problem+json',
  'application/yaml',
  'image/svg+xml',
  'text/css',
  'text/csv',
  'text/html',
  'text/javascript',
  'text/plain',
]);

const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);
const BROTLI_LEVEL: Readonly<Record<Quality, number>> = { quick: 4, best: 9 };
const GZIP_LEVEL: Readonly<Record<Quality, number>> = { quick: 5, best: 9 };

const encoders: Readonly<Record<Encoding, Encode>> = {
  br: (body, quality) =>
    brotli(body, {
      params: {
        [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_LEVEL[quality],
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      },
    }),
  gzip: (body, quality) => gzipped(body, { level: GZIP_LEVEL[quality] }),
};

export function createCompress(limits: CompressLimits = defaultCompressLimits): Compress {
  const kept: Readonly<Record<Encoding, Map<string, Promise<Buffer>>>> = { br: new Map(), gzip: new Map() };
  let running = 0;

  function once(encoding: Encoding, body: string): Promise<Buffer> {
    const before = kept[encoding].get(body);
    if (before) return before;
    const made = encoders[encoding](body, 'best');
    if (kept[encoding].size < limits.kept) kept[encoding].set(body, made);
    return made;
  }

  async function encode(encoding: Encoding, answer: Compressible): Promise<Buffer | null> {
    if (isImmutable(answer)) return once(encoding, answer.body);
    if (running >= limits.atOnce) return null;
    running += 1;
    try {
      return await encoders[encoding](answer.body, 'quick');
    } finally {
      running -= 1;
    }
  }

  return async (exchange, answer) => {
    const { type, body, headers } = answer;
    if (!TEXTS.has(type) || body.length < limits.leastBytes || body.length > limits.mostBytes)
      return { body, headers };
    const varied = { ...headers, Vary: 'Accept-Encoding' };
    const encoding = encodingFor(exchange, answer);
    const encoded = encoding === null ? null : await encode(encoding, answer);
    if (encoding === null || encoded === null) return { body, headers: varied };
    return { body: encoded, headers: { ...varied, 'Content-Encoding': encoding } };
  };
}

function isImmutable({ headers }: Compressible): boolean {
  return headers['Cache-Control']?.includes('immutable') ?? false;
}

/**
 * The best that the client reads. None where another site asks for what is somebody's own: the length of an answer that
 * mixes a secret with what the asker chose would give the secret away, byte by byte (the attack is called BREACH).
 */
function encodingFor({ req }: Exchange, answer: Compressible): Encoding | null {
  if (req.get('sec-fetch-site') === 'cross-site' && !isImmutable(answer)) return null;
  if (req.acceptsEncodings('br') === 'br') return 'br';
  return req.acceptsEncodings('gzip') === 'gzip' ? 'gzip' : null;
}

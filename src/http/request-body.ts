// The body of a request: its media type, its bytes (by express.raw), then JSON or a form. Knows no schema.
import type { IncomingMessage } from 'node:http';
import { MIMEType } from 'node:util';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import { isEncoding, isTooLarge, type BodyBudget, type BodyShare, type Encoding } from './body-budget.ts';
import { contextOf, whenClosed, type RequestContext } from './context.ts';
import { convertForm, parseForm, typedValues } from './form.ts';
import { isRecord, member } from './records.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_ERROR_CHARACTERS = 200;

/** Leaves the bytes in `req.body`. A body that the endpoint does not take is read, and forgotten. */
export function bodyReader(endpoint: Endpoint, budget: BodyBudget): readonly RequestHandler[] {
  if (endpoint.method === 'get') return [];
  const limit = endpoint.bodyLimitBytes;
  const read: RequestHandler = express.raw({ type: () => true, limit });
  return [
    (req, res, next) => {
      if (declaredBytes(req) > limit) throw tooLarge(limit);
      if (endpoint.consumes.length > 0) mediaTypeOf(req, endpoint, declaredBytes(req));
      const encoding = encodingOf(req);
      // express.raw reads the bytes as they are; they are unpacked when all have arrived, a few bodies at a time.
      delete req.headers['content-encoding'];
      if (req.headers.expect?.toLowerCase() === '100-continue') res.writeContinue();
      const share = budget.open();
      whenClosed(contextOf(req), share.release);
      readWithin(read, { req, res, share, limit }, (error) => {
        if (error !== undefined || encoding === null || !Buffer.isBuffer(req.body)) {
          next(error);
          return;
        }
        unpackBody(req, req.body, { budget, share, encoding, limit }).then(() => next(), next);
      });
    },
  ];
}

/** Null: as it is. Not zstd: ten bytes make Node reserve 128 MiB for a body. */
function encodingOf({ headers }: IncomingMessage): Encoding | null {
  const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return null;
  if (isEncoding(encoding)) return encoding;
  throw unsupported(
    'The content encoding is not supported here. Send the body as it is, or as gzip, deflate or br.',
  );
}

type Reading = {
  readonly req: Request;
  readonly res: Response;
  readonly share: BodyShare;
  readonly limit: number;
};

/** express.raw would wait for the end of a body that is too large. `done` is not called when the client has left. */
function readWithin(
  read: RequestHandler,
  { req, res, share, limit }: Reading,
  done: (error?: unknown) => void,
): void {
  let receivedBytes = 0;
  let isRefused = false;
  const refuse = (error: unknown): void => {
    isRefused = true;
    req.off('data', count);
    share.release();
    done(error);
  };
  const count = ({ length }: Buffer): void => {
    receivedBytes += length;
    if (receivedBytes > limit) {
      refuse(tooLarge(limit));
      return;
    }
    try {
      share.take(length);
    } catch (error) {
      refuse(error);
    }
  };
  req.on('data', count);
  void read(req, res, (error?: unknown) => {
    // The rest of a refused body is read and forgotten.
    if (isRefused) return (req.body = undefined);
    req.off('data', count);
    if (error === undefined) done();
    // Nobody is there to read an answer.
    else if (member(error, 'type') !== 'request.aborted') done(readProblem(error));
  });
}

async function unpackBody(
  req: Request,
  packed: Buffer,
  given: {
    readonly budget: BodyBudget;
    readonly share: BodyShare;
    readonly encoding: Encoding;
    readonly limit: number;
  },
): Promise<void> {
  const { budget, share, encoding, limit } = given;
  try {
    const body = await budget.unpack(packed, encoding, limit);
    share.take(body.length);
    req.body = body;
  } catch (error) {
    share.release();
    if (error instanceof ProblemError) throw error;
    throw isTooLarge(error)
      ? tooLarge(limit)
      : new ProblemError('bad_request', { detail: 'The compressed body is damaged or incomplete.' });
  }
}

function declaredBytes({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/** Throws `unsupported_media_type`. A POST without a body and a type is an empty form, or no JSON. */
function mediaTypeOf(req: Request, { consumes }: Endpoint, bodyBytes: number): string {
  const header = req.headers['content-type'];
  if (header === undefined && bodyBytes === 0) return consumes[0] ?? '';
  const given = header === undefined ? null : parseMediaType(header);
  if (given === null || !consumes.includes(given.essence))
    throw unsupported(`The content type is not supported here. Send ${consumes.join(' or ')}.`);
  if (!UTF8.includes((given.params.get('charset') ?? 'utf-8').toLowerCase()))
    throw unsupported('The charset is not supported here. Send UTF-8.');
  return given.essence;
}

/** US-ASCII is UTF-8 too. */
const UTF8 = ['utf-8', 'utf8', 'us-ascii'];

function parseMediaType(header: string): MIMEType | null {
  try {
    return new MIMEType(header);
  } catch {
    return null;
  }
}

/** What express.raw found wrong, by the type of its error. */
function readProblem(error: unknown): unknown {
  return member(error, 'type') === 'request.size.invalid' ? new ProblemError('request_incomplete') : error;
}

function tooLarge(limitBytes: number): ProblemError {
  return new ProblemError('body_too_large', {
    detail: `The body is over the limit of this endpoint (${limitBytes} bytes). Send less at once.`,
  });
}

function unsupported(detail: string): ProblemError {
  return new ProblemError('unsupported_media_type', { detail });
}

export type RequestBody = { readonly value: unknown; readonly errors: readonly FieldError[] };

const NOTHING: RequestBody = { value: undefined, errors: [] };
const MISSING: RequestBody = {
  value: undefined,
  errors: [{ field: 'body', code: 'required', message: 'body is required' }],
};

/**
 * What the bytes are. Leaves what was typed into a form in the context, and the plain media type in the header: the
 * validator keeps a compiled schema for every spelling that it sees. Throws the problems of an unreadable body.
 */
export function parseBody(context: RequestContext, endpoint: Endpoint): RequestBody {
  const { req, adapter } = context;
  const bytes: unknown = req.body;
  if (endpoint.consumes.length === 0) {
    delete req.headers['content-type'];
    return NOTHING;
  }
  const body = Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
  const type = mediaTypeOf(req, endpoint, body.length);
  req.headers['content-type'] = type;
  const text = decodeUtf8(body);
  if (type === FORM) {
    const fields = parseForm(text);
    const typed = (): ReturnType<RequestContext['typed']> =>
      typedValues(fields, endpoint.form ?? {}, adapter.limits.typedCharacters);
    context.typed = typed;
    const { value, errors } = convertForm(fields, endpoint.form ?? {});
    return { value, errors: [...errors, ...longLists(value, adapter.limits.listEntries)] };
  }
  // The validator would let it pass where no field is required.
  if (text === '') return endpoint.bodyRequired ? MISSING : NOTHING;
  const value = parseJson(text);
  return { value, errors: longLists(value, adapter.limits.listEntries) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Without a byte order mark. Throws `bad_request`: what is not UTF-8 would be changed without a word. */
function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProblemError('bad_request', { detail: 'The body is not valid UTF-8.' });
  }
}

/** Throws `invalid_json`, which says where. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const what = error instanceof Error ? error.message.slice(0, JSON_ERROR_CHARACTERS) : '';
    throw new ProblemError('invalid_json', { detail: `The body is not valid JSON: ${what}.` });
  }
}

/** The validator would complain about a list that is too long entry by entry. */
function longLists(body: unknown, maxEntries: number): readonly FieldError[] {
  return Object.entries(isRecord(body) ? body : {})
    .filter(([, value]) => Array.isArray(value) && value.length > maxEntries)
    .map(([field]) => ({
      field,
      code: 'max_items',
      message: `${field} must have at most ${maxEntries} entries`,
    }));
}

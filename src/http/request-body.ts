// The body of a request: its media type, its bytes (by express.raw), then JSON or a form. Knows no schema.
import type { IncomingMessage } from 'node:http';
import { MIMEType } from 'node:util';
import express, { type Request, type RequestHandler } from 'express';
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import type { RequestContext } from './context.ts';
import { convertForm, parseForm, typedValues } from './form.ts';
import { isRecord, member } from './records.ts';

const FORM = 'application/x-www-form-urlencoded';
const JSON_ERROR_CHARACTERS = 200;
/** Not zstd: ten bytes make Node reserve 128 MiB for a body, and a few hundred of those stop the server for seconds. */
const ENCODINGS = ['identity', 'gzip', 'deflate', 'br'];

/** Leaves the bytes in `req.body`. A body that the endpoint does not take is read, and forgotten. */
export function bodyReader(endpoint: Endpoint): readonly RequestHandler[] {
  if (endpoint.method === 'get') return [];
  const limit = endpoint.bodyLimitBytes;
  const read: RequestHandler = express.raw({ type: () => true, limit });
  return [
    (req, res, next) => {
      if (declaredBytes(req) > limit) throw tooLarge(limit);
      if (endpoint.consumes.length > 0) mediaTypeOf(req, endpoint, declaredBytes(req));
      const encoding = req.headers['content-encoding'] ?? 'identity';
      if (!ENCODINGS.includes(encoding.toLowerCase())) throw unknownEncoding();
      if (req.headers.expect !== undefined) res.writeContinue();
      let receivedBytes = 0;
      const finish = (error?: unknown): void => {
        req.off('data', count);
        next(error);
      };
      // express.raw would wait for the end of a body that is too large, and not limit compressed bytes.
      const count = ({ length }: Buffer): void => {
        receivedBytes += length;
        if (receivedBytes > limit) finish(tooLarge(limit));
      };
      req.on('data', count);
      void read(req, res, (error?: unknown) => {
        if (receivedBytes > limit) return;
        if (error === undefined) finish();
        // Nobody is there to read an answer.
        else if (member(error, 'type') !== 'request.aborted') finish(readProblem(error, limit));
      });
    },
  ];
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
function readProblem(error: unknown, limitBytes: number): unknown {
  switch (member(error, 'type')) {
    case 'entity.too.large':
      return tooLarge(limitBytes);
    case 'request.size.invalid':
      return new ProblemError('request_incomplete');
    default:
      return member(error, 'status') === 400
        ? new ProblemError('bad_request', { detail: 'The compressed body is damaged or incomplete.' })
        : error;
  }
}

function tooLarge(limitBytes: number): ProblemError {
  return new ProblemError('body_too_large', {
    detail: `The body is over the limit of this endpoint (${limitBytes} bytes). Send less at once.`,
  });
}

function unknownEncoding(): ProblemError {
  return unsupported(
    'The content encoding is not supported here. Send the body as it is, or as gzip, deflate or br.',
  );
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
    context.typed = typedValues(fields, endpoint.form ?? {}, adapter.limits.typedCharacters);
    return convertForm(fields, endpoint.form ?? {});
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

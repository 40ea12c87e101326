// The body of a request as the endpoint consumes it: bytes, then JSON or a form, then a value. Knows no schema.
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import type { Exchange } from './exchange.ts';
import { listFaults } from './json-faults.ts';
import type { HttpLimits } from './limits.ts';
import { isUtf8, readMediaType } from './media-type.ts';
import { convertForm, parseFormBody, typedValues } from './parse-form.ts';
import { decodeUtf8, parseJson } from './parse-json.ts';
import { readBody } from './read-body.ts';

export type RequestBody = { readonly value: unknown; readonly errors: readonly FieldError[] };

const NOTHING: RequestBody = { value: undefined, errors: [] };
const MISSING: RequestBody = {
  value: undefined,
  errors: [{ field: 'body', code: 'required', message: 'body is required' }],
};
const FORM = 'application/x-www-form-urlencoded';

/** Leaves what was typed into a form in the exchange. Throws the problems of an unreadable body. */
export async function readRequestBody(
  exchange: Exchange,
  endpoint: Endpoint,
  limits: HttpLimits,
): Promise<RequestBody> {
  const { req, res } = exchange;
  if (endpoint.method === 'get') return NOTHING;
  const bytes = await readBody(req, res, endpoint.bodyLimitBytes);
  // A body that the contract does not know of is read, and forgotten.
  if (endpoint.consumes.length === 0) return NOTHING;
  const type = mediaTypeOf(req.headers['content-type'], bytes.length, endpoint);
  if (type === FORM) return readForm(exchange, endpoint, limits, bytes);
  // The validator would let it pass where no field is required.
  if (bytes.length === 0) return endpoint.bodyRequired ? MISSING : NOTHING;
  return readJson(limits, bytes);
}

/** A POST without a body says no type: it is an empty form, or no JSON. */
function mediaTypeOf(header: string | undefined, sizeBytes: number, { consumes }: Endpoint): string {
  const given = readMediaType(header);
  const expected = consumes[0] ?? '';
  if (given === null && sizeBytes === 0) return expected;
  if (given === null || !consumes.includes(given.type))
    throw new ProblemError('unsupported_media_type', {
      detail: `The content type is not supported here. Send ${consumes.join(' or ')}.`,
    });
  if (!isUtf8(given))
    throw new ProblemError('unsupported_media_type', {
      detail: 'The charset is not supported here. Send UTF-8.',
    });
  return given.type;
}

function readForm(
  exchange: Exchange,
  { form }: Endpoint,
  { typedCharacters }: HttpLimits,
  bytes: Buffer,
): RequestBody {
  const fields = parseFormBody(decodeUtf8(bytes));
  exchange.typed = typedValues(fields, form ?? {}, typedCharacters);
  const { body, errors } = convertForm(fields, form ?? {});
  return { value: body, errors };
}

function readJson({ listEntries }: HttpLimits, bytes: Buffer): RequestBody {
  const value = parseJson(bytes);
  return { value, errors: listFaults(value, listEntries) };
}

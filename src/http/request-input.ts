// The validated input of a handler, out of a request: who calls, what was asked, in the order in which a request may be
// refused. Nothing of the request is reachable from the input.
import type { AnyInput, Operation } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import { preferredType } from './accept.ts';
import type { Adapter } from './adapter.ts';
import { authorize, requireOwnHostname } from './authorize.ts';
import { makeBrowserId, readBrowserId } from './browser-cookie.ts';
import { readCredentials } from './credentials.ts';
import { signalOf, type Exchange } from './exchange.ts';
import { convertStrictly, parseQuery } from './parse-form.ts';
import { member } from './records.ts';
import { readRequestBody } from './request-body.ts';
import { isSameOrigin } from './same-origin.ts';
import type { ValidParts } from './validator.ts';

export type Prepared = {
  readonly input: AnyInput;
  /** A browser that is to be known again. */
  readonly newBrowserId: string | null;
};

/** Throws a ProblemError for whatever is wrong with the request. */
export async function prepareInput(
  adapter: Adapter,
  exchange: Exchange,
  operation: Operation,
): Promise<Prepared> {
  const { req, res } = exchange;
  if (adapter.isStopping() && '503' in operation.responses) throw new ProblemError('stopping');
  await adapter.rateLimit.check(req, res, operation.id);
  const known = knownBrowser(adapter, exchange, operation);
  const caller = await admit(adapter, exchange, operation, known);
  const parts = await readParts(adapter, exchange, operation);
  requireOwnHostname(operation, caller, (place) =>
    place.split('.').reduce<unknown>(member, { path: parts.path, body: parts.body }),
  );
  const newBrowserId = operation.browserCookie && known === null ? makeBrowserId(adapter.randomBytes) : null;
  const input: AnyInput = {
    ...parts,
    caller,
    browserId: known ?? newBrowserId,
    accept: preferredType(req, adapter.successTypes(operation)),
    lastEventId: req.get('last-event-id') ?? null,
    get signal() {
      return signalOf(exchange);
    },
  };
  return { input, newBrowserId };
}

function knownBrowser(
  { options }: Adapter,
  { req }: Exchange,
  { browserCookie, security }: Operation,
): string | null {
  const asks = browserCookie || security.some((alternative) => alternative.includes('browserCookie'));
  return asks ? readBrowserId(req.headers.cookie, options.browserCookie.key) : null;
}

async function admit(
  { options }: Adapter,
  exchange: Exchange,
  operation: Operation,
  browserId: string | null,
): Promise<Caller> {
  const { req } = exchange;
  const caller = await authorize(options, operation, readCredentials(req.headers.authorization), browserId);
  if (caller.kind === 'admin' && operation.method !== 'get' && !isOwnPage(req, options.publicUrl))
    throw new ProblemError('cross_site');
  exchange.admitted = true;
  return caller;
}

function isOwnPage(req: Exchange['req'], publicUrl: string | undefined): boolean {
  return isSameOrigin({
    secFetchSite: req.get('sec-fetch-site'),
    origin: req.get('origin'),
    host: req.host,
    publicUrl,
  });
}

async function readParts(adapter: Adapter, exchange: Exchange, operation: Operation): Promise<ValidParts> {
  const { req } = exchange;
  const body = await readRequestBody(exchange, operation, adapter.limits);
  const query = readQuery(req.url, adapter.queryTypes.get(operation.id) ?? {});
  const own = [...body.errors, ...query.errors];
  if (own.length > 0) throw invalid(own);
  const lastEventId = req.get('last-event-id');
  const valid = await adapter.validator.request(operation, {
    path: pathParameters(req.params),
    query: query.values,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    body: body.value,
  });
  if (!valid.ok) throw invalid(valid.errors);
  return valid.parts;
}

function pathParameters(
  params: Readonly<Record<string, string | readonly string[]>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value.join('/'),
    ]),
  );
}

type Query = { readonly values: Record<string, unknown>; readonly errors: readonly FieldError[] };

const NO_QUERY: Query = { values: {}, errors: [] };

/** The validator would take `0x10` for a number: what is none in its plain spelling is refused before. */
function readQuery(url: string, types: Readonly<Record<string, string>>): Query {
  const start = url.indexOf('?');
  if (start === -1) return { ...NO_QUERY, values: {} };
  const errors: FieldError[] = [];
  const values = [...parseQuery(url.slice(start + 1))].map(([name, given]): [string, unknown] => {
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    const [first = ''] = given;
    if (given.length > 1) return [name, [...given]];
    if (type === undefined || first === '') return [name, first];
    const value = convertStrictly(first, type);
    if (typeof value === 'string')
      errors.push({ field: name, message: `${name} must be ${NOUNS[type] ?? type}` });
    return [name, value];
  });
  return { values: Object.fromEntries(values), errors };
}

const NOUNS: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function invalid(errors: readonly FieldError[]): ProblemError {
  const messages = errors.map(({ message }) => message);
  return new ProblemError('invalid_request', { errors, ...(messages[0] && { detail: sentence(messages) }) });
}

const TOLD_ERRORS = 3;

/** Programs that read only `error` learn what is wrong too. */
function sentence(messages: readonly string[]): string {
  const told = messages.slice(0, TOLD_ERRORS).join('; ');
  return messages.length > TOLD_ERRORS ? `${told}; and more.` : `${told}.`;
}

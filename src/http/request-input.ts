// The validated input of a handler, out of a request: who calls, what was asked, in the order in which a request may be
// refused. Nothing of the request is reachable from the input.
import type { AnyInput, Endpoint } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import { preferredType } from './accept.ts';
import type { Adapter } from './adapter.ts';
import { authorize, requireOwnHostname } from './authorize.ts';
import { makeBrowserId, readBrowserId } from './browser-cookie.ts';
import { readCredentials } from './credentials.ts';
import { signalOf, type Exchange } from './exchange.ts';
import { member } from './records.ts';
import { readQuery } from './request-query.ts';
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
  endpoint: Endpoint,
): Promise<Prepared> {
  const { req, res } = exchange;
  if (adapter.isStopping() && '503' in endpoint.responses) throw new ProblemError('stopping');
  await adapter.rateLimit.check(req, res, endpoint.id);
  const known = knownBrowser(adapter, exchange, endpoint);
  const caller = await admit(adapter, exchange, endpoint, known);
  const parts = await readParts(adapter, exchange, endpoint);
  requireOwnHostname(endpoint, caller, (place) =>
    place.split('.').reduce<unknown>(member, { path: parts.path, body: parts.body }),
  );
  const browserId = known ?? (endpoint.browserCookie ? makeBrowserId(adapter.randomBytes) : null);
  // A form of another site brings no cookie (SameSite): one that is set then would replace the browser's own.
  const mayBeKnown = endpoint.method === 'get' || isOwnPage(req, adapter.options.publicUrl);
  const input: AnyInput = {
    ...parts,
    caller,
    browserId,
    accept: preferredType(req, adapter.successTypes(endpoint)),
    lastEventId: req.get('last-event-id') ?? null,
    get signal() {
      return signalOf(exchange);
    },
  };
  return { input, newBrowserId: known === null && mayBeKnown ? browserId : null };
}

function knownBrowser(
  adapter: Adapter,
  { req }: Exchange,
  { browserCookie, security }: Endpoint,
): string | null {
  const asks = browserCookie || security.some((alternative) => alternative.includes('browserCookie'));
  return asks ? readBrowserId(req.headers.cookie, adapter.browserCookie.key) : null;
}

async function admit(
  { options }: Adapter,
  exchange: Exchange,
  endpoint: Endpoint,
  browserId: string | null,
): Promise<Caller> {
  const { req } = exchange;
  const caller = await authorize(options, endpoint, readCredentials(req.headers.authorization), browserId);
  if (caller.kind === 'admin' && endpoint.method !== 'get' && !isOwnPage(req, options.publicUrl))
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

async function readParts(adapter: Adapter, exchange: Exchange, endpoint: Endpoint): Promise<ValidParts> {
  const { req } = exchange;
  const body = await readRequestBody(exchange, endpoint, adapter.limits);
  const query = readQuery(req.url, adapter.queryRules.get(endpoint.id));
  const own = [...body.errors, ...query.errors];
  if (own.length > 0) throw invalid(own);
  const lastEventId = req.get('last-event-id');
  const valid = await adapter.validator.request(endpoint, {
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

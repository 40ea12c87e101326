// Who calls, and whether the endpoint allows it: the alternatives of the contract's `security`. An Authorization header
// decides where there is one, also where none is needed. Runs before the body is read.
import type { Request } from 'express';
import type { SecurityScheme } from '../contract/endpoint.ts';
import type { AnyInput, Endpoint } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError, type ProblemCode } from '../contract/problems.ts';
import { readBrowserId } from './browser-cookie.ts';
import type { RequestContext } from './context.ts';
import { readCredentials, type Credentials } from './credentials.ts';
import type { HttpOptions } from './options.ts';
import { member } from './records.ts';
import { isSameOrigin } from './same-origin.ts';

type Authentication = Pick<HttpOptions, 'authenticate' | 'vmAuth'>;

const BASIC = 'Basic realm="LabLink", charset="UTF-8"';
const BEARER = 'Bearer realm="LabLink"';
const BEARER_WRONG = `${BEARER}, error="invalid_token"`;
/** Not Basic: the browser of a participant would ask for a password. */
const COOKIE = 'Cookie realm="LabLink", cookie-name="lablink_browser"';

const BEARERS = ['vmToken', 'forwarderToken', 'registrationToken'] as const;
const schemeOf: Readonly<Record<Caller['kind'], SecurityScheme | null>> = {
  anonymous: null,
  admin: 'adminBasic',
  vm: 'vmToken',
  forwarder: 'forwarderToken',
  registrar: 'registrationToken',
};

/** Leaves the caller and the browser's id in the context. Throws a problem of status 401, with its challenge, or 403. */
export async function authorize(context: RequestContext, endpoint: Endpoint): Promise<void> {
  const { adapter, req } = context;
  const { options } = adapter;
  if (endpoint.browserCookie || accepts(endpoint, 'browserCookie'))
    context.browserId = readBrowserId(req.headers.cookie, adapter.cookieKey);
  const caller = await identifyCaller(options, endpoint, req, context.browserId);
  if (caller.kind === 'admin' && endpoint.method !== 'get' && !isOwnPage(req, options.publicUrl))
    throw new ProblemError('cross_site');
  context.caller = caller;
}

async function identifyCaller(
  authentication: Authentication,
  endpoint: Endpoint,
  req: Request,
  browserId: string | null,
): Promise<Caller> {
  // Browsers send the admin's password to public pages too; it is not checked there.
  if (isPublic(endpoint)) return { kind: 'anonymous' };
  const credentials = readCredentials(req.headers.authorization);
  if (credentials.kind === 'none') return withoutCredentials(authentication, endpoint, browserId);
  const caller = await identify(authentication, endpoint, credentials);
  if (caller === null) throw refusal(endpoint, credentials);
  return caller;
}

/** Whether one of our own pages, a person, or a program sent the request, and no page of another site. */
export function isOwnPage(req: Request, publicUrl: string | undefined): boolean {
  return isSameOrigin({
    secFetchSite: req.get('sec-fetch-site'),
    origin: req.get('origin'),
    host: req.host,
    publicUrl,
  });
}

/** Whether one alternative of the endpoint names this scheme. */
function accepts({ security }: Endpoint, scheme: SecurityScheme): boolean {
  return security.some((alternative) => alternative.includes(scheme));
}

function isPublic({ security }: Endpoint): boolean {
  return security.every((alternative) => alternative.length === 0);
}

function withoutCredentials(
  { vmAuth }: Authentication,
  endpoint: Endpoint,
  browserId: string | null,
): Caller {
  const anybody = endpoint.security.some((alternative) => alternative.length === 0);
  const vmTokens = accepts(endpoint, 'vmToken');
  if (anybody && !(vmAuth === 'required' && vmTokens)) return { kind: 'anonymous' };
  if (accepts(endpoint, 'browserCookie')) {
    if (browserId !== null) return { kind: 'anonymous' };
    throw challenge('unauthorized', COOKIE);
  }
  throw vmTokens ? challenge('token_required', BEARER) : challenge('unauthorized', BASIC);
}

async function identify(
  { authenticate }: Authentication,
  endpoint: Endpoint,
  credentials: Credentials,
): Promise<Caller | null> {
  if (credentials.kind === 'basic' && accepts(endpoint, 'adminBasic')) {
    const { user, password } = credentials;
    return authenticate.basic(user, password) ? { kind: 'admin', user } : null;
  }
  if (credentials.kind === 'bearer' && BEARERS.some((scheme) => accepts(endpoint, scheme))) {
    const caller = await authenticate.bearer(credentials.token);
    const scheme = caller && schemeOf[caller.kind];
    return scheme !== null && accepts(endpoint, scheme) ? caller : null;
  }
  return null;
}

function refusal(endpoint: Endpoint, { kind }: Credentials): ProblemError {
  const takesBearer = BEARERS.some((scheme) => accepts(endpoint, scheme));
  const takesBasic = accepts(endpoint, 'adminBasic');
  return takesBearer && !(takesBasic && kind === 'basic')
    ? challenge('token_wrong', BEARER_WRONG)
    : challenge('unauthorized', BASIC);
}

function challenge(code: ProblemCode, header: string): ProblemError {
  return new ProblemError(code, { headers: { 'WWW-Authenticate': header } });
}

/**
 * Whether the token of a VM may speak for the machine that the valid request names (`x-hostname-in`). Throws
 * `token_wrong`.
 */
export function requireOwnHostname({ hostnameIn }: Endpoint, input: AnyInput): void {
  if (input.caller.kind !== 'vm' || hostnameIn === null) return;
  const named = hostnameIn.split('.').reduce<unknown>(member, { path: input.path, body: input.body });
  if (named !== input.caller.hostname) throw challenge('token_wrong', BEARER_WRONG);
}

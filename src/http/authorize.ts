// Who calls, and whether the endpoint allows it: the alternatives of the contract's `security`. An Authorization header
// decides where there is one, also where none is needed. Runs before the body is read.
import type { Request } from 'express';
import type { SecurityScheme } from '../contract/endpoint.ts';
import type { AnyInput, Endpoint } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError, type ProblemCode } from '../contract/problems.ts';
import { mayCall } from '../contract/role.ts';
import { readBrowserId } from './browser-cookie.ts';
import type { Adapter, RequestContext } from './context.ts';
import { readCredentials, type Credentials } from './credentials.ts';
import type { HttpOptions } from './options.ts';
import { member } from './records.ts';
import type { LoginClient } from './login-limit.ts';
import { isSameOrigin } from './same-origin.ts';

type Authentication = Pick<HttpOptions, 'authenticate' | 'vmAuth'> & Pick<Adapter, 'loginLimit'>;

const BASIC = 'Basic realm="LabLink", charset="UTF-8"';
const BEARER = 'Bearer realm="LabLink"';
const BEARER_WRONG = `${BEARER}, error="invalid_token"`;
/** Not Basic: the browser of a participant would ask for a password. */
const COOKIE = 'Cookie realm="LabLink", cookie-name="lablink_browser"';

const BEARERS = ['vmToken', 'forwarderToken', 'registrationToken', 'metricsToken'] as const;
const CHOSEN = ['registrationToken', 'metricsToken'] as const;
const schemeOf: Readonly<Record<Caller['kind'], SecurityScheme | null>> = {
  anonymous: null,
  admin: 'adminBasic',
  vm: 'vmToken',
  forwarder: 'forwarderToken',
  registrar: 'registrationToken',
  monitor: 'metricsToken',
};

/** Leaves the caller and the browser's id in the context. Throws a problem of status 401, with its challenge, or 403. */
export async function authorize(context: RequestContext, endpoint: Endpoint): Promise<void> {
  const { adapter, req } = context;
  const { options } = adapter;
  if (endpoint.browserCookie || accepts(endpoint, 'browserCookie'))
    context.browserId = readBrowserId(req.headers.cookie, adapter.cookieKey);
  const caller = await identifyCaller(
    { ...options, loginLimit: adapter.loginLimit },
    endpoint,
    req,
    context.browserId,
  );
  if (caller.kind === 'admin' && endpoint.ownPagesOnly && !isOwnPage(req, options.publicUrl))
    throw new ProblemError('cross_site');
  context.caller = caller;
  if (caller.kind === 'admin' && !mayCall(caller.role, endpoint.id)) throw new ProblemError('admins_only');
  adapter.rememberCaller(req, caller);
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
  const client = { address: req.ip ?? '', userAgent: req.get('user-agent') ?? '' };
  const caller = await identify(authentication, endpoint, credentials, client);
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
  { authenticate, loginLimit }: Authentication,
  endpoint: Endpoint,
  credentials: Credentials,
  client: LoginClient,
): Promise<Caller | null> {
  if (credentials.kind === 'basic' && accepts(endpoint, 'adminBasic')) {
    const { user, password } = credentials;
    // Only for clients that were right before: to others a limit must not show which guess is right.
    const person =
      (loginLimit.isKnown({ ...client, user }) ? await authenticate.remembered(user, password) : null) ??
      (await loginLimit.password({ ...client, user, isBuiltIn: authenticate.isBuiltIn(user) }, () =>
        authenticate.basic(user, password),
      ));
    return person && { kind: 'admin', ...person };
  }
  if (credentials.kind === 'bearer' && BEARERS.some((scheme) => accepts(endpoint, scheme))) {
    const look = (): Promise<Caller | null> => authenticate.bearer(credentials.token);
    // Only these tokens may be words that people chose; the others are random.
    const caller = CHOSEN.some((scheme) => accepts(endpoint, scheme))
      ? await loginLimit.token(client, look)
      : await look();
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
 * Whether the caller may speak for the machine that the valid request names (`x-hostname-in`): with the token of another
 * one nobody may, and without a token nobody for a machine that has one. Throws `token_wrong` or `token_required`.
 */
export async function requireOwnHostname(
  { authenticate }: Pick<HttpOptions, 'authenticate'>,
  { hostnameIn }: Endpoint,
  { path, body, caller }: AnyInput,
): Promise<void> {
  if (hostnameIn === null || (caller.kind !== 'vm' && caller.kind !== 'anonymous')) return;
  const named = hostnameIn.split('.').reduce<unknown>(member, { path, body });
  if (caller.kind === 'vm') {
    if (named !== caller.hostname) throw challenge('token_wrong', BEARER_WRONG);
  } else if (typeof named === 'string' && (await authenticate.hasToken(named))) {
    throw challenge('token_required', BEARER);
  }
}

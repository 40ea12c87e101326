// Who calls, and whether the endpoint lets them: the alternatives of the contract's `security`. Where an Authorization
// header is present it decides, also where none is needed. Knows no body.
import type { Endpoint } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import type { SecurityScheme } from '../contract/endpoint.ts';
import { ProblemError, type ProblemCode } from '../contract/problems.ts';
import type { Credentials } from './credentials.ts';
import type { Authenticate } from './options.ts';

export type Door = { readonly authenticate: Authenticate; readonly vmAuth: 'open' | 'required' };

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

/** The caller. Throws a problem of status 401, with its challenge. */
export async function authorize(
  door: Door,
  endpoint: Endpoint,
  credentials: Credentials,
  browserId: string | null,
): Promise<Caller> {
  // Browsers send the admin's password to public pages too; nobody looks at it there.
  if (isPublic(endpoint)) return { kind: 'anonymous' };
  if (credentials.kind === 'none') return withoutCredentials(door, endpoint, browserId);
  const caller = await identify(door, endpoint, credentials);
  if (caller === null) throw refusal(endpoint, credentials);
  return caller;
}

/** Whether one alternative of the endpoint names this scheme. */
export function accepts({ security }: Endpoint, scheme: SecurityScheme): boolean {
  return security.some((alternative) => alternative.includes(scheme));
}

function isPublic({ security }: Endpoint): boolean {
  return security.every((alternative) => alternative.length === 0);
}

function withoutCredentials({ vmAuth }: Door, endpoint: Endpoint, browserId: string | null): Caller {
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
  { authenticate }: Door,
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
 * Whether the token of a VM may speak for the machine that the request names (`x-hostname-in`). Asked once the request
 * is known to be valid. Throws `token_wrong`.
 */
export function requireOwnHostname(
  endpoint: Endpoint,
  caller: Caller,
  named: (place: string) => unknown,
): void {
  if (caller.kind !== 'vm' || endpoint.hostnameIn === null) return;
  if (named(endpoint.hostnameIn) !== caller.hostname) throw challenge('token_wrong', BEARER_WRONG);
}

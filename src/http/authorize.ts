// Who calls, and whether the operation lets them: the alternatives of the contract's `security`. Where an Authorization
// header is present it decides, also where none is needed. Knows no body.
import type { Operation } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import type { SecurityScheme } from '../contract/operation.ts';
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
  operation: Operation,
  credentials: Credentials,
  browserId: string | null,
): Promise<Caller> {
  // Browsers send the admin's password to public pages too; nobody looks at it there.
  if (isPublic(operation)) return { kind: 'anonymous' };
  if (credentials.kind === 'none') return withoutCredentials(door, operation, browserId);
  const caller = await identify(door, operation, credentials);
  if (caller === null) throw refusal(operation, credentials);
  return caller;
}

/** Whether one alternative of the operation names this scheme. */
export function accepts({ security }: Operation, scheme: SecurityScheme): boolean {
  return security.some((alternative) => alternative.includes(scheme));
}

function isPublic({ security }: Operation): boolean {
  return security.every((alternative) => alternative.length === 0);
}

function withoutCredentials({ vmAuth }: Door, operation: Operation, browserId: string | null): Caller {
  const anybody = operation.security.some((alternative) => alternative.length === 0);
  const vmTokens = accepts(operation, 'vmToken');
  if (anybody && !(vmAuth === 'required' && vmTokens)) return { kind: 'anonymous' };
  if (accepts(operation, 'browserCookie')) {
    if (browserId !== null) return { kind: 'anonymous' };
    throw challenge('unauthorized', COOKIE);
  }
  throw vmTokens ? challenge('token_required', BEARER) : challenge('unauthorized', BASIC);
}

async function identify(
  { authenticate }: Door,
  operation: Operation,
  credentials: Credentials,
): Promise<Caller | null> {
  if (credentials.kind === 'basic' && accepts(operation, 'adminBasic')) {
    const { user, password } = credentials;
    return authenticate.basic(user, password) ? { kind: 'admin', user } : null;
  }
  if (credentials.kind === 'bearer' && BEARERS.some((scheme) => accepts(operation, scheme))) {
    const caller = await authenticate.bearer(credentials.token);
    const scheme = caller && schemeOf[caller.kind];
    return scheme !== null && accepts(operation, scheme) ? caller : null;
  }
  return null;
}

function refusal(operation: Operation, { kind }: Credentials): ProblemError {
  const takesBearer = BEARERS.some((scheme) => accepts(operation, scheme));
  const takesBasic = accepts(operation, 'adminBasic');
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
  operation: Operation,
  caller: Caller,
  named: (place: string) => unknown,
): void {
  if (caller.kind !== 'vm' || operation.hostnameIn === null) return;
  if (named(operation.hostnameIn) !== caller.hostname) throw challenge('token_wrong', BEARER_WRONG);
}

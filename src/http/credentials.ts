// Reads the Authorization header. Pure; knows no password.

export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  /** A scheme that is not ours, or garbage. */
  | { readonly kind: 'unreadable' };

const SCHEME = /^(\S+) +(\S+) *$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** RFC 6750. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** User and password are UTF-8, as our challenge says. */
export function readCredentials(header: string | undefined): Credentials {
  if (header === undefined) return { kind: 'none' };
  const [, scheme = '', value = ''] = SCHEME.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case 'basic':
      return readBasic(value);
    case 'bearer':
      return TOKEN.test(value) ? { kind: 'bearer', token: value } : { kind: 'unreadable' };
    default:
      return { kind: 'unreadable' };
  }
}

function readBasic(value: string): Credentials {
  if (!BASE64.test(value)) return { kind: 'unreadable' };
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return { kind: 'unreadable' };
  return { kind: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

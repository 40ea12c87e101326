// The signed cookie by which a browser is recognised: `<id>.<hmac>`. Knows no request.
import { createHmac, randomUUID, timingSafeEqual, type KeyObject } from 'node:crypto';

/** A KeyObject: Node would make one of a Buffer at every signature, which takes five times as long. */
export type BrowserCookieOptions = { readonly key: KeyObject; readonly secure: boolean };

const NAME = 'lablink_browser';
const MAX_AGE_SECONDS = 30 * 24 * 60 * 60;
/** 128 bits, a dot, 256 bits; browsers may send several of one name. */
const SIGNED = /(?:^|;)\s*lablink_browser=([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})\s*(?=;|$)/g;

/** The id of the first cookie whose signature is right; null where there is none. */
export function readBrowserId(header: string | undefined, key: KeyObject): string | null {
  for (const [, id = '', signature = ''] of (header ?? '').matchAll(SIGNED))
    if (timingSafeEqual(Buffer.from(signature), Buffer.from(sign(id, key)))) return id;
  return null;
}

/** A new id: a UUID, whose random bytes Node takes many at once. */
export function makeBrowserId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}

/** The value of the Set-Cookie header. */
export function browserCookieHeader(id: string, { key, secure }: BrowserCookieOptions): string {
  const flags = `Path=/; Max-Age=${MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax`;
  return `${NAME}=${id}.${sign(id, key)}; ${flags}${secure ? '; Secure' : ''}`;
}

function sign(id: string, key: KeyObject): string {
  return createHmac('sha256', key).update(`${NAME}=${id}`).digest('base64url');
}

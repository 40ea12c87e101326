// The headers that every answer has.
import type { Adapter } from './adapter.ts';
import type { Exchange } from './exchange.ts';

type Headers = Readonly<Record<string, string>>;

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const STANDING: Headers = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** What is given wins over what stands, however it is spelled. */
export function answerHeaders({ isStopping }: Adapter, { requestId }: Exchange, given: Headers): Headers {
  const headers: Record<string, string> = { ...STANDING, 'X-Request-Id': requestId };
  if (isStopping()) headers['Connection'] = 'close';
  return mergeHeaders(headers, given);
}

export function mergeHeaders(headers: Headers, given: Headers): Headers {
  const names = Object.keys(given).map((name) => name.toLowerCase());
  if (names.length === 0) return headers;
  const kept = Object.entries(headers).filter(([name]) => !names.includes(name.toLowerCase()));
  return { ...Object.fromEntries(kept), ...given };
}

/** As sent: the types of text say their charset. */
export function contentType(type: string): string {
  return type.startsWith('text/') || type === 'application/yaml' ? `${type}; charset=utf-8` : type;
}

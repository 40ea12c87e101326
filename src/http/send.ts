// The head that every answer has, and answers that are sent whole.
import { isEndless, type RequestContext } from './context.ts';

export type AnswerHead = {
  readonly status: number;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

type Headers = Readonly<Record<string, string>>;

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const ALWAYS = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  'Cache-Control': 'no-store',
};

/** A year; only where the public address is https. */
const ONLY_HTTPS = { 'Strict-Transport-Security': 'max-age=31536000' };
/** `Retry-After` of a 429 or 503 where no better figure is known. */
const RETRY_AFTER_SECONDS = 5;
/** The same while this server stops: another allocator can answer at once, and a new one soon. */
const STOPPING_RETRY_AFTER_SECONDS = 1;

/** Every header of an answer; those of `head` win, however they are spelled. */
export function answerHeaders({ adapter, req, requestId }: RequestContext, head: AnswerHead): Headers {
  const { status, type, headers = {} } = head;
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const usual: Headers = {
    ...ALWAYS,
    ...(adapter.options.publicUrl?.startsWith('https:') === true && ONLY_HTTPS),
    'X-Request-Id': requestId,
    ...retryAfter({ adapter }, status),
    // A client that waits for "100 Continue" and is refused may send its body or not: the next request could not be found.
    ...((adapter.isStopping() || (!req.complete && req.headers.expect !== undefined)) && {
      Connection: 'close',
    }),
  };
  const kept = Object.entries(usual).filter(([name]) => !given.has(name.toLowerCase()));
  return { ...Object.fromEntries(kept), ...headers, 'Content-Type': contentType(type) };
}

/** The contract promises it with every 429 and 503, also on pages. */
export function retryAfter({ adapter }: Pick<RequestContext, 'adapter'>, status: number): Headers {
  if (status !== 429 && status !== 503) return {};
  return { 'Retry-After': String(adapter.isStopping() ? STOPPING_RETRY_AFTER_SECONDS : RETRY_AFTER_SECONDS) };
}

/** Sets the status and the headers of an answer that is sent whole. Throws where a header cannot be sent. */
export function prepareHead(context: RequestContext, head: AnswerHead): void {
  const { res } = context;
  // What a failed attempt to answer has left.
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  res.status(head.status);
  // Not by Express, which would give JSON a charset.
  for (const [name, value] of Object.entries(answerHeaders(context, head))) res.setHeader(name, value);
}

/** As sent: the types of text say their charset. */
function contentType(type: string): string {
  return type.startsWith('text/') || type === 'application/yaml' ? `${type}; charset=utf-8` : type;
}

export function sendWhole({ adapter, req, res, endpoint }: RequestContext, body: string | Buffer): void {
  const bytes = Buffer.byteLength(body);
  res.setHeader('Content-Length', bytes);
  if (!isEndless(endpoint)) adapter.compress(req, res, bytes);
  res.end(body);
}

export function jsonText(value: unknown): string {
  return JSON.stringify(value === undefined ? null : value);
}

// Sends webhooks as Standard Webhooks describes them (https://www.standardwebhooks.com): JSON, signed. The address to which the
// connection really goes is checked, whatever name led there; redirects are not followed, and answers are not read.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { isPrivateHost, PrivateAddress, publicLookup, type Resolve } from './public-address.ts';
import { failed, type OutgoingMessage, type Send, type SendFailure } from './transport.ts';

export type WebhookOptions = {
  /** Also addresses that are not public, and http. */
  readonly allowPrivate: boolean;
  readonly userAgent: string;
  readonly now: () => Date;
  /** Instead of the system's DNS, for tests. */
  readonly resolve?: Resolve;
};

const SECOND_MS = 1_000;
const HEADERS_BYTES = 16_384;

export function createWebhookSender(options: WebhookOptions): Send {
  const lookup = options.allowPrivate ? {} : { lookup: publicLookup(options.resolve) };
  return async (message, signal) => {
    const url = URL.parse(message.address);
    const refusal = url && addressProblem(url, options);
    if (url === null || refusal !== null)
      return failed(refusal ?? 'The address of the webhook is not a URL.', { isFinal: true });
    if (message.secret === null) return failed(SECRET_LOST, { isFinal: true });
    try {
      const head = await post(url, signed(message, message.secret, options), { signal, ...lookup });
      return failureOfStatus(head, options.now());
    } catch (error) {
      return failureOf(error, signal);
    }
  };
}

const SECRET_LOST =
  'The signing secret cannot be read, because SECRET_KEY has changed. Remove this webhook and add it again.';

/** What is wrong with the address of a webhook, in a sentence; null = nothing that can be seen without asking DNS. */
export function addressProblem(
  { protocol, username, password, hostname }: URL,
  { allowPrivate }: Pick<WebhookOptions, 'allowPrivate'>,
): string | null {
  if (protocol !== 'https:' && !(allowPrivate && protocol === 'http:'))
    return 'A webhook must be at an https address.';
  if (username + password !== '') return 'The address of a webhook cannot contain a user or a password.';
  return !allowPrivate && isPrivateHost(hostname) ? PRIVATE : null;
}

type Signed = { readonly headers: Readonly<Record<string, string>>; readonly body: string };

function signed(message: OutgoingMessage, secret: string, { now, userAgent }: WebhookOptions): Signed {
  const { id, event, at, subject, text, link, facts } = message;
  const body = JSON.stringify({
    type: event.replaceAll('_', '.'),
    timestamp: at.toISOString(),
    data: { ...facts, title: subject, message: text, link },
  });
  const sentAt = now();
  return {
    body,
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': String(Buffer.byteLength(body)),
      'User-Agent': userAgent,
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / SECOND_MS)),
      'webhook-signature': new Webhook(secret).sign(id, sentAt, body),
    },
  };
}

type Sending = { readonly signal: AbortSignal; readonly lookup?: LookupFunction };

type Head = { readonly status: number; readonly retryAfter: string | undefined };

/** The connection is closed without reading the body of the answer. */
function post(url: URL, { headers, body }: Signed, sending: Sending): Promise<Head> {
  const options = { ...sending, method: 'POST', headers, agent: false, maxHeaderSize: HEADERS_BYTES };
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    request.on('error', reject);
    request.on('response', (response) => {
      response.on('error', () => undefined);
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] });
      response.destroy();
    });
    request.end(body);
  });
}

const GONE = 410;

function failureOfStatus({ status, retryAfter }: Head, now: Date): SendFailure | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400)
    return failed(
      `The webhook answered ${status}, a redirect, which is not followed. Set its final address.`,
    );
  const retryAfterSeconds = retryAfter === undefined ? null : secondsOf(retryAfter, now);
  return failed(`The webhook answered ${status}.`, { retryAfterSeconds, isFinal: status === GONE });
}

/** Seconds, or a date; null = neither. */
function secondsOf(retryAfter: string, now: Date): number | null {
  if (/^\d{1,9}$/.test(retryAfter.trim())) return Number(retryAfter);
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now.getTime()) / SECOND_MS));
}

function failureOf(error: unknown, signal: AbortSignal): SendFailure {
  if (signal.aborted) return failed('The webhook did not answer in time.');
  if (error instanceof PrivateAddress) return failed(PRIVATE, { isFinal: true });
  const code =
    typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
      ? error.code
      : 'unknown error';
  return failed(`The webhook could not be reached (${code}).`);
}

const PRIVATE =
  'The webhook is at an address that is not public, which is refused (WEBHOOK_ALLOW_PRIVATE allows it).';

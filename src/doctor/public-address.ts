// The checks that need no password: whether the address answers, its certificate, and what becomes of plain http.
import { z } from 'zod';
import { endpoints } from '../contract/endpoints.gen.ts';
import { NoAnswer, type Answer, type Ask } from './ask.ts';
import { ok, problem, unknown, warning, type Finding } from './findings.ts';

const DAY_MS = 86_400_000;
/** Certificates that renew themselves do so a month before their end. */
const RENEWED_BEFORE_DAYS = 20;
const LAST_DAYS = 3;
const REDIRECTS: readonly number[] = [301, 302, 307, 308];

export type Reached = { readonly findings: readonly Finding[]; readonly answers: boolean };

/** Whether the allocator answers there, and over a connection that can be trusted. */
export async function checkReached(ask: Ask, url: URL, now: Date): Promise<Reached> {
  try {
    const answer = await ask(new URL(endpoints.getLiveness.path, url));
    const certificate = certificateFinding(url, answer, now);
    if (!isOurs(answer)) return { findings: [certificate, stranger(answer)], answers: false };
    return {
      findings: [ok('address', `The allocator answers at ${url.origin}.`), certificate],
      answers: true,
    };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { findings: [unreached(url, error)], answers: false };
  }
}

const livenessSchema = z.object({ status: z.literal('ok') });

function isOurs({ status, text }: Answer): boolean {
  if (status !== 200) return false;
  try {
    return livenessSchema.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
}

function stranger({ status, headers }: Answer): Finding {
  const by = headers.server === undefined ? '' : ` (Server: ${String(headers.server)})`;
  if (status >= 502 && status <= 504)
    return problem(
      'address',
      `A proxy answers with ${status}${by}: it does not reach the allocator.`,
      'Start the allocator, and compare the address in the proxy with its HOST and PORT.',
    );
  return problem(
    'address',
    `Something answers with ${status}${by}, but it is not the allocator.`,
    'Let the proxy pass every path on to the allocator, unchanged.',
  );
}

const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ENOTFOUND: ['The name has no address.', 'Create the DNS record, or wait until it is known everywhere.'],
  ECONNREFUSED: ['Nothing listens there.', 'Start the proxy, and open its port in the firewall.'],
  ETIMEDOUT: ['Nothing answers there.', 'Open the port in the firewall or security group.'],
  TIMEOUT: ['Nothing answers there in time.', 'Open the port in the firewall or security group.'],
  CERT_HAS_EXPIRED: ['The certificate has expired.', 'Renew it; see why it was not renewed by itself.'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'The certificate is for another name.',
    'Get one for this name, or use the name that it is for.',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'The proxy sends its certificate without the intermediate ones.',
    'Configure the whole chain (often called fullchain.pem).',
  ],
  EPROTO: ['What listens there does not speak TLS.', 'Compare the address with that of the proxy.'],
};
const SELF_MADE: readonly [string, string] = [
  'Nobody whom browsers trust has signed the certificate.',
  'Get one that browsers trust, such as from Let’s Encrypt. For an authority of your own: --ca <file>.',
];

function unreached(url: URL, { code, message }: NoAnswer): Finding {
  const isCertificate = /CERT|SIGNATURE|ISSUER/.test(code);
  const [text, remedy] = reasons[code] ??
    (isCertificate ? SELF_MADE : null) ?? [`There is no answer: ${message}.`, 'See the log of the proxy.'];
  return problem(isCertificate ? 'certificate' : 'address', `${url.origin}: ${text}`, remedy);
}

function certificateFinding(url: URL, { certificate }: Answer, now: Date): Finding {
  const name = 'certificate';
  if (certificate === null) {
    const text = 'The connection is not encrypted: passwords, PINs and commands can be read on the way.';
    return isLoopbackName(url.hostname)
      ? warning(name, text)
      : problem(
          name,
          text,
          'Put a proxy with TLS in front (docs/operations.md), and check its https address.',
        );
  }
  const end = new Date(certificate.valid_to);
  const days = Math.floor((end.getTime() - now.getTime()) / DAY_MS);
  const issuer = [certificate.issuer.O ?? certificate.issuer.CN ?? 'an unknown authority'].flat()[0] ?? '';
  const text = `Valid until ${end.toISOString().slice(0, 16).replace('T', ' ')} UTC, issued by ${issuer}.`;
  const renew = 'Renew it now; see why it was not renewed by itself.';
  if (days < LAST_DAYS && !isShort(certificate)) return problem(name, text, renew);
  return days < RENEWED_BEFORE_DAYS && !isShort(certificate) ? warning(name, text, renew) : ok(name, text);
}

/** Some authorities issue certificates for hours or days, which are renewed all the time. */
function isShort({ valid_from: from, valid_to: to }: { valid_from: string; valid_to: string }): boolean {
  return new Date(to).getTime() - new Date(from).getTime() < 2 * RENEWED_BEFORE_DAYS * DAY_MS;
}

/** @param plain the address without encryption */
export async function checkRedirect(ask: Ask, url: URL, plain: URL): Promise<Finding[]> {
  if (url.protocol !== 'https:') return [];
  const name = 'redirect';
  const remedy =
    'Let the proxy redirect http to https (Caddy does so by itself; nginx: return 301 https://$host$request_uri).';
  try {
    const { status, headers } = await ask(plain);
    const to = URL.parse(headers.location ?? '', plain.href);
    if (REDIRECTS.includes(status) && to?.protocol === 'https:')
      return to.hostname === url.hostname
        ? [ok(name, `${plain.origin} leads to https.`)]
        : [problem(name, `${plain.origin} leads to another name, ${to.hostname}.`, remedy)];
    return [problem(name, `${plain.origin} answers ${status} without leading to https.`, remedy)];
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return [
      warning(
        name,
        `${plain.origin} does not answer: people who type the name alone may see nothing.`,
        remedy,
      ),
    ];
  }
}

/** Strangers must not read them. */
export async function checkMetricsHidden(ask: Ask, url: URL): Promise<Finding> {
  const name = 'metrics';
  const { status } = await ask(new URL(endpoints.getMetrics.path, url));
  return status === 200
    ? problem(
        name,
        'Everybody can read /metrics.',
        'Set METRICS_TOKEN, or TRUST_PROXY to the number of proxies.',
      )
    : ok(name, 'Strangers cannot read /metrics.');
}

const healthSchema = z.object({
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
});

export async function checkHealth(ask: Ask, url: URL): Promise<Finding> {
  const name = 'health';
  const { status, text } = await ask(new URL(endpoints.getHealth.path, url));
  const health = healthSchema.safeParse(parseJson(text));
  if (!health.success)
    return unknown(name, `The answer to ${endpoints.getHealth.path} (${status}) is not the allocator's.`);
  const wrong = health.data.checks.flatMap((check) =>
    check.detail === undefined ? [] : [`${check.name}: ${check.detail}`],
  );
  if (status !== 200) return problem(name, `Not ready. ${wrong.join(' ')}`);
  return wrong.length === 0 ? ok(name, 'Ready.') : warning(name, `Ready, but: ${wrong.join(' ')}`);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || name.startsWith('127.');
}

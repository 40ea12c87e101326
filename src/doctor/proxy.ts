// The checks that need the admin's password: what a proxy does to requests and answers on their way.
import { z } from 'zod';
import type { components } from '../contract/openapi.gen.ts';
import { endpoints } from '../contract/endpoints.gen.ts';
import { NoAnswer, type Answer, type Ask } from './ask.ts';
import { ok, problem, unknown, type Finding } from './findings.ts';
import { parseJson } from './public-address.ts';

export type Admin = { readonly user: string; readonly password: string };
type Connection = components['schemas']['Connection'];
export type HoldSeconds = components['schemas']['HeldPoll']['seconds'];

/** Reserved for documentation (RFC 5737): nobody has it. */
const FORGED_ADDRESS = '203.0.113.77';
/** JSON around the filler. */
const BODY_MARGIN_BYTES = 64;
/** Nothing but a space comes every 20 s. */
const HELD_SILENCE_MS = 45_000;

const connectionSchema: z.ZodType<Connection> = z.object({
  address: z.string(),
  peer: z.string(),
  protocol: z.enum(['http', 'https']),
  host: z.string(),
  forwarded_for: z.string().nullable(),
  forwarded_proto: z.string().nullable(),
  forwarded_host: z.string().nullable(),
  trusts_proxy: z.boolean(),
  public_url: z.string().nullable(),
  secure_cookies: z.boolean(),
});

export type ProxyCheck = { readonly ask: Ask; readonly url: URL; readonly authorization: string };

export function authorizationOf({ user, password }: Admin): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** What the server sees. No admin: the password was refused, or something else answers. */
export async function checkHeaders(
  check: ProxyCheck,
): Promise<{ readonly findings: readonly Finding[]; readonly isAdmin: boolean }> {
  const answer = await describe(check);
  const seen = connectionSchema.safeParse(parseJson(answer.text));
  if (!seen.success) return { findings: [refusedFinding(answer)], isAdmin: false };
  return { findings: headerFindings(check.url, seen.data, await forge(check, seen.data)), isAdmin: true };
}

function describe(
  { ask, url, authorization }: ProxyCheck,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(new URL(endpoints.describeConnection.path, url), {
    headers: { Authorization: authorization, ...headers },
  });
}

/**
 * Whether a client can choose its address. Not tried where nothing speaks of a proxy: the server would take the attempt for an
 * unknown proxy, and warn.
 */
async function forge(check: ProxyCheck, seen: Connection): Promise<boolean> {
  if (seen.forwarded_for === null && !seen.trusts_proxy) return false;
  const forged = await describe(check, { 'X-Forwarded-For': FORGED_ADDRESS });
  return connectionSchema.safeParse(parseJson(forged.text)).data?.address === FORGED_ADDRESS;
}

function refusedFinding({ status }: Answer): Finding {
  const name = 'login';
  if (status === 401)
    return unknown(
      name,
      'The server refuses the password of the admin, so what a proxy does was not checked.',
      'Set ADMIN_USER and ADMIN_PASSWORD to those of that server.',
    );
  if (status === 429) return unknown(name, 'Too many logins have failed lately.', 'Try again in a minute.');
  return problem(
    name,
    `The answer (${status}) is not the allocator's.`,
    'Let the proxy pass every path on to the allocator, with the Authorization header; the allocator may be older than this program.',
  );
}

function headerFindings(url: URL, seen: Connection, isForgeable: boolean): Finding[] {
  return [
    protocolFinding(url, seen),
    hostFinding(url, seen),
    addressFinding(seen, isForgeable),
    publicUrlFinding(url, seen),
  ];
}

const SEND_ADDRESS =
  'Let the proxy send X-Forwarded-For (nginx: proxy_set_header X-Forwarded-For $remote_addr).';
const TRUST = 'Set TRUST_PROXY to the number of proxies in front of the allocator.';

function protocolFinding(
  url: URL,
  { protocol, forwarded_proto: told, trusts_proxy: trusts }: Connection,
): Finding {
  const name = 'protocol';
  const used = url.protocol.slice(0, -1);
  if (protocol === used) return ok(name, `The server knows that the client uses ${used}.`);
  const text = `The client uses ${used}, but the server takes it for ${protocol}.`;
  if (told === null)
    return problem(
      name,
      `${text} The proxy sends no X-Forwarded-Proto.`,
      'Let it send that header (nginx: proxy_set_header X-Forwarded-Proto $scheme).',
    );
  return problem(
    name,
    text,
    trusts ? `The proxy says "${told}". Let it send the protocol of the client.` : TRUST,
  );
}

function hostFinding(url: URL, { host }: Connection): Finding {
  const name = 'host';
  return URL.parse(`${url.protocol}//${host}`)?.host === url.host
    ? ok(name, `The server knows the name ${host}.`)
    : problem(
        name,
        `The client asks for ${url.host}, but the proxy passes on ${host}: the server refuses its own forms as those of another site.`,
        'Let the proxy pass the Host header on (nginx: proxy_set_header Host $host).',
      );
}

function addressFinding(
  {
    address,
    peer,
    forwarded_for: forwarded,
    protocol,
    forwarded_proto: told,
    trusts_proxy: trusts,
  }: Connection,
  isForgeable: boolean,
): Finding {
  const name = 'client address';
  if (isForgeable)
    return problem(
      name,
      'A client can choose the address that the server takes it for: limits do not hold, and the audit lies.',
      'The proxy must set X-Forwarded-For itself (nginx: proxy_set_header X-Forwarded-For $remote_addr), or TRUST_PROXY names more proxies than there are.',
    );
  const believed = `The server takes this computer for ${address}.`;
  if (forwarded === null && told === null && !trusts && protocol === 'http')
    return unknown(
      name,
      `${believed} If a proxy is in front, it does not say whose request it passes on.`,
      SEND_ADDRESS,
    );
  if (forwarded === null)
    return problem(
      name,
      `${believed} The proxy does not say whose request it passes on: everybody counts as one address.`,
      SEND_ADDRESS,
    );
  return trusts
    ? ok(name, believed)
    : problem(
        name,
        `The server takes everybody for the proxy (${peer}): one loud client stops all others.`,
        TRUST,
      );
}

function publicUrlFinding(url: URL, { public_url: configured, secure_cookies: secure }: Connection): Finding {
  const name = 'PUBLIC_URL';
  const said = configured === null ? 'It is not set' : `It is ${configured}`;
  const isSame = configured !== null && URL.parse(configured)?.origin === url.origin;
  if (!isSame && url.protocol === 'https:')
    return problem(
      name,
      `${said}, but people use ${url.origin}${secure ? '' : ', and cookies are not protected'}.`,
      `Set PUBLIC_URL=${url.origin}.`,
    );
  return ok(name, isSame ? `It is ${url.origin}.` : `${said}; without https it need not be.`);
}

export async function checkHeldPoll(
  { ask, url, authorization }: ProxyCheck,
  seconds: HoldSeconds,
): Promise<Finding> {
  const name = 'held poll';
  const remedy =
    'Raise the time-out of the proxy for answers to more than a minute (nginx: proxy_read_timeout 1h), or set POLL_MAX_SECONDS below it.';
  try {
    const answer = await ask(new URL(endpoints.holdPoll.path, url), {
      method: 'POST',
      headers: { Authorization: authorization },
      body: { seconds },
      silenceMs: HELD_SILENCE_MS,
    });
    const took = Math.round(answer.tookMs / 1_000);
    return answer.status === 200
      ? ok(name, `Was answered after ${took} s.`)
      : problem(name, `Was ended with ${answer.status} after ${took} s instead of ${seconds} s.`, remedy);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const took = Math.round(error.tookMs / 1_000);
    return problem(name, `Was cut after ${took} s instead of ${seconds} s.`, remedy);
  }
}

const sentSchema = z.object({ sent_at_ms: z.number() });

/** Events that were sent apart must arrive apart. */
export async function checkEvents({ ask, url, authorization }: ProxyCheck): Promise<Finding> {
  const name = 'event streams';
  const answer = await ask(new URL(endpoints.streamTestEvents.path, url), {
    headers: { Authorization: authorization, Accept: 'text/event-stream' },
  });
  const events = answer.parts.flatMap(({ text, atMs }) =>
    [...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => ({
      atMs,
      sent: sentSchema.safeParse(parseJson(data)),
    })),
  );
  const [first, last] = [events.at(0), events.at(-1)];
  if (first?.sent.data === undefined || last?.sent.data === undefined)
    return problem(
      name,
      `The answer (${answer.status}) has no events.`,
      'Let the proxy pass event streams on unchanged.',
    );
  const sentApart = last.sent.data.sent_at_ms - first.sent.data.sent_at_ms;
  const cameApart = last.atMs - first.atMs;
  return cameApart * 2 > sentApart
    ? ok(name, 'Events arrive as they are sent.')
    : problem(
        name,
        `Events that were sent ${Math.round(sentApart)} ms apart arrive within ${Math.round(cameApart)} ms: live pages stand still.`,
        'Switch buffering off (nginx: proxy_buffering off, or let it obey X-Accel-Buffering), also that of compression.',
      );
}

/** The largest body of all endpoints must pass. */
export async function checkBody({ ask, url, authorization }: ProxyCheck): Promise<Finding> {
  const name = 'body limit';
  const bytes = endpoints.measureBody.bodyLimitBytes;
  const size = `${Math.round(bytes / 1_048_576)} MiB`;
  const remedy = `Allow bodies of ${size} (nginx: client_max_body_size ${Math.ceil(bytes / 1_048_576) + 1}m).`;
  try {
    const answer = await ask(new URL(endpoints.measureBody.path, url), {
      method: 'POST',
      headers: { Authorization: authorization },
      body: { filler: 'x'.repeat(bytes - BODY_MARGIN_BYTES) },
    });
    return answer.status === 200
      ? ok(name, `Bodies of ${size} arrive.`)
      : problem(
          name,
          `A body of ${size} is answered with ${answer.status}: logs of machines are lost.`,
          remedy,
        );
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return problem(name, `A connection with a body of ${size} is cut: logs of machines are lost.`, remedy);
  }
}

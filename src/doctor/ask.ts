// One request to the public address, as a stranger would send it: with the certificate, and with the time of each part of the answer.
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { rootCertificates, TLSSocket, type PeerCertificate } from 'node:tls';

type Asked = {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Without a byte of the answer for this long, the request is given up. */
  readonly silenceMs?: number;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The parts, with the milliseconds since the request began. */
  readonly parts: readonly { readonly text: string; readonly atMs: number }[];
  /** From the request to the end of the answer. */
  readonly tookMs: number;
  /** Null over plain http. */
  readonly certificate: PeerCertificate | null;
};

/** Why there is no whole answer: the code of Node's error, and how long it took. */
export class NoAnswer extends Error {
  readonly code: string;
  readonly tookMs: number;
  constructor(code: string, message: string, tookMs: number) {
    super(message);
    this.name = 'NoAnswer';
    this.code = code;
    this.tookMs = tookMs;
  }
}

export type Ask = (url: URL, asked?: Asked) => Promise<Answer>;

const SILENCE_MS = 15_000;
/** A larger answer is none of ours. */
const ANSWER_BYTES = 4_194_304;

/** @param ca certificates in PEM that are trusted besides the usual ones; null = none */
export function createAsk(ca: string | null): Ask {
  const trusted = ca === null ? {} : { ca: [...rootCertificates, ca] };
  return (url, asked = {}) =>
    new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const sinceStart = (): number => performance.now() - startedMs;
      const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
      const options = {
        method: asked.method ?? 'GET',
        agent: false,
        timeout: asked.silenceMs ?? SILENCE_MS,
        headers: {
          'User-Agent': 'LabLink-Doctor/1.0',
          Accept: 'application/json, text/event-stream, */*;q=0.1',
          ...(body !== undefined && {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(body),
          }),
          ...asked.headers,
        },
        ...trusted,
      };
      const fail = (error: NodeJS.ErrnoException): void =>
        reject(new NoAnswer(error.code ?? 'UNKNOWN', error.message, sinceStart()));
      const send = url.protocol === 'https:' ? requestHttps : requestHttp;
      const sent = send(url, options, (response) => {
        collect(response, sinceStart).then(resolve, fail);
      });
      sent.on('timeout', () =>
        sent.destroy(Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })),
      );
      sent.on('error', fail);
      sent.end(body);
    });
}

async function collect(response: IncomingMessage, sinceStart: () => number): Promise<Answer> {
  const { socket } = response;
  const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate() : null;
  const parts: { text: string; atMs: number }[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const text = String(chunk);
    bytes += text.length;
    if (bytes > ANSWER_BYTES) throw new Error('the answer is too large');
    parts.push({ text, atMs: sinceStart() });
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: parts.map(({ text }) => text).join(''),
    parts,
    tookMs: sinceStart(),
    certificate,
  };
}

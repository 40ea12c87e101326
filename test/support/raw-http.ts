// Requests as no client of ours would send them: the path as it is given, the body in pieces, a hang-up in the middle.
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { ADMIN } from './server.ts';

export type RawRequest = {
  readonly method?: string;
  /** Sent as it is: `%00` and broken escapes stay. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Leaves once the answer has begun: streams of events have no end. */
  readonly leaveEarly?: true;
};

export type RawAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Without parameters, in lower case. */
  readonly type: string;
  readonly text: string;
};

export const adminHeaders = {
  Authorization: `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`,
} as const;

export const jsonHeaders = { 'Content-Type': 'application/json' } as const;
export const formHeaders = { 'Content-Type': 'application/x-www-form-urlencoded' } as const;

/** One request on a connection of its own. Rejects where the connection is cut before the answer's end. */
export function sendRaw(
  baseUrl: string,
  { method = 'GET', path, headers, body, leaveEarly }: RawRequest,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const tells = body !== undefined && headers?.['Transfer-Encoding'] === undefined;
    const length = tells ? { 'Content-Length': Buffer.byteLength(body) } : {};
    const sent = request(
      { hostname, port, method, path, headers: { ...length, ...headers }, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        const told = (): void =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            type: (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
            text: Buffer.concat(chunks).toString(),
          });
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', told);
        if (leaveEarly === true) {
          told();
          sent.destroy();
        }
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A POST of JSON, as programs send it. */
export const postJson = (
  baseUrl: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> =>
  sendRaw(baseUrl, {
    method: 'POST',
    path,
    headers: { ...jsonHeaders, ...headers },
    body: JSON.stringify(body),
  });

export type RawSocket = {
  readonly write: (text: string | Uint8Array) => void;
  /** Leaves without a goodbye. */
  readonly hangUp: () => void;
  /** All that has come so far. */
  readonly received: () => string;
  /** Settles when the server has ended the connection, or we have. */
  readonly closed: Promise<void>;
};

/** A connection to write bytes to; it ends with the test. */
export async function openSocket(baseUrl: string): Promise<RawSocket> {
  const { hostname, port } = new URL(baseUrl);
  const socket: Socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  // A reset is one way in which servers end connections.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  onTestFinished(async () => {
    socket.destroy();
    await closed;
  });
  return {
    write: (bytes) => void socket.write(bytes),
    hangUp: () => void socket.destroy(),
    received: () => text,
    closed,
  };
}

// Sends unusual requests: with an unchanged path, with a body in pieces, or with a disconnect in the middle.
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { ADMIN } from './server.ts';

export type RawRequest = {
  readonly method?: string;
  /** Sent unchanged, including `%00` and broken escapes. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Disconnects after the response headers, because event streams do not end. */
  readonly leaveEarly?: true;
};

export type RawAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The media type without parameters, in lower case. */
  readonly type: string;
  readonly text: string;
};

export const adminHeaders = {
  Authorization: `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`,
} as const;

export const jsonHeaders = { 'Content-Type': 'application/json' } as const;
export const formHeaders = { 'Content-Type': 'application/x-www-form-urlencoded' } as const;

/** Sends one request on a new connection. Rejects if the connection is lost before the end of the response. */
export function sendRaw(
  baseUrl: string,
  { method = 'GET', path, headers, body, leaveEarly }: RawRequest,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const hasLength = body !== undefined && headers?.['Transfer-Encoding'] === undefined;
    const length = hasLength ? { 'Content-Length': Buffer.byteLength(body) } : {};
    const sent = request(
      { hostname, port, method, path, headers: { ...length, ...headers }, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        const settle = (): void =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            type: (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '',
            text: Buffer.concat(chunks).toString(),
          });
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', settle);
        if (leaveEarly === true) {
          settle();
          sent.destroy();
        }
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends a POST request with a JSON body, as programs do. */
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
  /** Destroys the connection at once. */
  readonly hangUp: () => void;
  /** Everything received so far. */
  readonly received: () => string;
  /** Resolves when the server or the test has closed the connection. */
  readonly closed: Promise<void>;
};

/** Opens a TCP connection; it is closed at the end of the test. */
export async function openSocket(baseUrl: string): Promise<RawSocket> {
  const { hostname, port } = new URL(baseUrl);
  const socket: Socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  // Servers may close a connection with a reset.
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

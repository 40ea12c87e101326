// The adapter with handlers that a test writes, on a real socket. No database, no pages.
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { AnyReply, Caller, Handlers } from '../../src/contract/handlers.ts';
import type { Viewer } from '../../src/contract/role.ts';
import type { AnyInput } from '../../src/contract/erased.ts';
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { createHttpApp, type HttpApp } from '../../src/http/app.ts';
import type { HttpOptions } from '../../src/http/options.ts';
import { startHttpServer, type HttpServer } from '../../src/http/server.ts';
import { createValidator } from '../../src/http/validator.ts';
import type { Log } from '../../src/log.ts';

const document: unknown = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));

/** Made once: compiling the contract takes longer than a test. */
const validator = createValidator(document);

export const ADMIN = `Basic ${Buffer.from('admin:s3cret:ä').toString('base64')}`;
export const INSTRUCTOR = `Basic ${Buffer.from('instructor:s3cret:ä').toString('base64')}`;
export const VM_TOKEN = 'vm-token-1';
export const VM = 'lablink-vm-test-1';

const callers: Readonly<Record<string, Caller>> = {
  [VM_TOKEN]: { kind: 'vm', hostname: VM },
  forwarder: { kind: 'forwarder' },
  registrar: { kind: 'registrar' },
};

const people: readonly Viewer[] = [
  { user: 'admin', role: 'admin' },
  { user: 'instructor', role: 'instructor' },
];

type Stub = (input: AnyInput) => AnyReply | Promise<AnyReply>;
export type Stubs = Partial<Record<EndpointId, Stub>>;
type LogLine = { level: string; message: string } & Record<string, unknown>;

export type Harness = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  readonly app: HttpApp;
  readonly server: HttpServer;
  readonly lines: LogLine[];
  readonly get: (path: string, init?: RequestInit) => Promise<Response>;
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Response>;
  readonly form: (path: string, body: string, headers?: Record<string, string>) => Promise<Response>;
};

/** An endpoint without a stub answers 500. */
export async function startStub(stubs: Stubs = {}, options: Partial<HttpOptions> = {}): Promise<Harness> {
  const lines: LogLine[] = [];
  const app = createHttpApp({
    document,
    validator,
    handlers: stubbed(stubs),
    authenticate: {
      isBuiltIn: () => true,
      remembered: () => Promise.resolve(null),
      basic: (user, password) =>
        Promise.resolve(people.find((person) => person.user === user && password === 's3cret:ä') ?? null),
      bearer: (token) => Promise.resolve(callers[token] ?? null),
      hasToken: () => Promise.resolve(false),
    },
    vmAuth: 'open',
    browserCookie: { key: Buffer.from('a key of tests'), secure: false },
    pages: {
      error: ({ problem, endpointId }) => `<p>error ${problem.code} ${endpointId ?? 'nowhere'}</p>`,
      form: ({ problem, endpointId, values }) =>
        `<form>${endpointId} ${problem.code} ${JSON.stringify(problem.errors ?? [])} ${JSON.stringify(values)}</form>`,
    },
    trustProxy: false,
    requestsPerMinute: 100_000,
    log: recordingLog(lines),
    responseFaults: 'throw',
    isStopping: () => false,
    ...options,
  });
  const started = await startHttpServer({
    app,
    host: '127.0.0.1',
    port: 0,
    log: recordingLog(lines),
    ...(options.limits && { limits: options.limits }),
  });
  if (!started.ok) throw new Error(started.failure.message);
  const server = started.value;
  const send = (path: string, init: RequestInit): Promise<Response> =>
    fetch(new URL(path, server.url), { redirect: 'manual', ...init });
  return {
    url: server.url,
    port: server.port,
    app,
    server,
    lines,
    get: (path, init = {}) => send(path, init),
    post: (path, body, headers = {}) =>
      send(path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    form: (path, body, headers = {}) =>
      send(path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      }),
    [Symbol.asyncDispose]: () => server.kill(),
  };
}

function stubbed(stubs: Stubs): Handlers {
  const missing: Stub = () => {
    throw new Error('this test has no stub for the endpoint');
  };
  return new Proxy(stubs, {
    get: (target, id) => target[id as EndpointId] ?? missing,
  }) as unknown as Handlers;
}

function recordingLog(lines: LogLine[]): Log {
  const at =
    (level: string): Log['info'] =>
    (fields, message) => {
      lines.push({ ...fields, level, message });
    };
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): AnyReply {
  return { status, type: 'application/json', body, headers };
}

export function html(body: string, status = 200): AnyReply {
  return { status, type: 'text/html', body };
}

export const done = json({ message: 'Done.' });

export type ProblemBody = {
  code: string;
  status: number;
  detail: string;
  error: string;
  request_id: string;
  errors?: { field: string; code: string; message: string }[];
};

export async function problemOf(response: Response): Promise<ProblemBody> {
  if (response.headers.get('content-type') !== 'application/problem+json')
    throw new Error(`no problem, but ${response.status} ${await response.text()}`);
  return (await response.json()) as ProblemBody;
}

export type Wire = Disposable & {
  readonly socket: Socket;
  readonly text: () => string;
  /** Resolves when the connection has ended, however it did. */
  readonly ended: Promise<void>;
};

/** A connection on which anything can be said. */
export async function wire(port: number, first = ''): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  if (first !== '') socket.write(first);
  return {
    socket,
    text: () => text,
    ended,
    [Symbol.dispose]: () => {
      socket.destroy();
    },
  };
}

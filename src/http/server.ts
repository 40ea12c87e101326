// The listening server: limits on what arrives, a start that fails with what to do, a stop that finishes what runs.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpApp } from './app.ts';
import { refuseConnection } from './client-error.ts';
import { defaultLimits, type HttpLimits } from './limits.ts';
import type { Log } from '../log.ts';
import { fail, succeed, type Failure, type Result } from '../result.ts';

export type HttpServer = {
  readonly port: number;
  /** Where it can be reached from this machine. */
  readonly url: string;
  /**
   * Stops listening, refuses new requests on connections that are kept, ends long polls and streams of events, waits for
   * running requests, and cuts what is left after the grace. Resolves when nothing is open; may be called again.
   */
  readonly stop: (graceMs: number) => Promise<void>;
  /** Ends everything at once. */
  readonly kill: () => Promise<void>;
};

type ServedApp = Pick<HttpApp, 'listener' | 'endLongPolls' | 'abortAll' | 'close'>;

export type ServerOptions = {
  readonly app: ServedApp;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly limits?: Partial<HttpLimits>;
  readonly log: Log;
  /** The settings of host and port, for what is said when it cannot listen. */
  readonly settings?: Settings;
};

type Settings = { readonly host: string; readonly port: string };

/** Connections that have become idle while stopping are closed this often. */
const IDLE_SWEEP_MS = 20;

export async function startHttpServer(options: ServerOptions): Promise<Result<HttpServer, ListenFailure>> {
  const { app, host, port, log } = options;
  const server = configure(app, { ...defaultLimits, ...options.limits });
  const { stop, kill } = endings(server, app);
  const { connectionsAhead } = { ...defaultLimits, ...options.limits };
  const failure = await listen(server, { host, port, backlog: connectionsAhead });
  if (failure !== null) {
    app.close();
    return fail(listenFailure(failure, options));
  }
  server.on('error', (error) => log.error({ err: error }, 'The HTTP server has a fault.'));
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return succeed({ port: bound, url: localUrl(host, bound), stop, kill });
}

function configure(app: ServedApp, limits: HttpLimits): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.timeoutCheckMs,
    keepAliveTimeout: limits.idleConnectionMs,
    keepAlive: true,
    keepAliveInitialDelay: limits.tcpProbeMs,
    noDelay: true,
    // The app refuses a request without one, like a request with two.
    requireHostHeader: false,
  });
  server.maxConnections = limits.connections;
  const listener = boundPipelining(app.listener, limits.pipelinedRequests);
  server.on('request', listener);
  // The client is asked to go on only where the body is wanted (request-body.ts).
  server.on('checkContinue', listener);
  // An expectation that nobody knows: the request is served as if it had none.
  server.on('checkExpectation', listener);
  server.on('clientError', refuseConnection);
  return server;
}

/** Node begins all requests of a connection at once, however many it sends: a few thousand connections would do for minutes of work. */
function boundPipelining(listener: HttpApp['listener'], most: number): HttpApp['listener'] {
  const running = new WeakMap<Socket, number>();
  const change = (socket: Socket, by: number): number => {
    const now = (running.get(socket) ?? 0) + by;
    running.set(socket, now);
    return now;
  };
  return (req, res) => {
    const { socket } = req;
    if (change(socket, 1) > most) {
      socket.destroy();
      return;
    }
    res.once('close', () => change(socket, -1));
    listener(req, res);
  };
}

function listen(
  server: Server,
  place: { readonly host: string; readonly port: number; readonly backlog: number },
): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(place, () => {
      server.off('error', resolve);
      resolve(null);
    });
  });
}

/** Connections without a request so far: Node does not count them as idle. */
function watchUnused(server: Server): ReadonlySet<Socket> {
  const unused = new Set<Socket>();
  server.on('connection', (socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  const inUse = ({ socket }: IncomingMessage): void => {
    unused.delete(socket);
  };
  server.on('request', inUse).on('checkContinue', inUse);
  return unused;
}

function endings(server: Server, app: ServedApp): Pick<HttpServer, 'stop' | 'kill'> {
  const unused = watchUnused(server);
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closed ??= new Promise<void>((resolve) => {
      app.endLongPolls();
      const sweep = setInterval(() => {
        server.closeIdleConnections();
        for (const socket of unused) if (socket.bytesRead === 0) socket.destroy();
      }, IDLE_SWEEP_MS);
      server.close(() => {
        clearInterval(sweep);
        app.close();
        resolve();
      });
    });
    return closed;
  };
  const cut = (): void => {
    app.abortAll();
    server.closeAllConnections();
  };
  return {
    stop: async (graceMs) => {
      const ended = close();
      const grace = setTimeout(cut, graceMs);
      await ended.finally(() => clearTimeout(grace));
    },
    kill: async () => {
      const ended = close();
      cut();
      await ended;
    },
  };
}

type ListenFailure = Failure<'listen'>;

function listenFailure(
  { code, message }: NodeJS.ErrnoException,
  { host, port, settings = { host: 'HOST', port: 'PORT' } }: ServerOptions,
): ListenFailure {
  switch (code) {
    case 'EADDRINUSE':
      return {
        code: 'listen',
        message: `Port ${port} of ${host} is in use by another program.`,
        remedy: `Stop that program, or set ${settings.port} to another port.`,
      };
    case 'EACCES':
      return {
        code: 'listen',
        message: `This user may not listen on port ${port}.`,
        remedy: `Set ${settings.port} to 1024 or more, and put a proxy in front for the lower port.`,
      };
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        code: 'listen',
        message: `${host} is not an address of this machine.`,
        remedy: `Set ${settings.host} to 127.0.0.1 (this machine only) or 0.0.0.0 (all of its addresses).`,
      };
    default:
      return {
        code: 'listen',
        message: `Cannot listen on ${host}:${port}: ${message}.`,
        remedy: `Check ${settings.host} and ${settings.port}.`,
      };
  }
}

const WILDCARDS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1', '': '127.0.0.1' };

function localUrl(host: string, port: number): string {
  const name = WILDCARDS[host] ?? host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

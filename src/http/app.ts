// The HTTP adapter: mounts the endpoint table on Express. Bytes in, bytes out; knows no handler and no table of the
// database. The middlewares of an endpoint are in serve.ts.
import { createSecretKey } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { endpointList } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { successTypes } from './accept.ts';
import { answerError } from './answer-error.ts';
import { createBodyBudget } from './body-budget.ts';
import { createCompression, createCompressOnce } from './compression.ts';
import {
  abort,
  contextOf,
  isEndless,
  releaseAll,
  remember,
  type Adapter,
  type RequestContext,
} from './context.ts';
import { defaultLimits } from './limits.ts';
import { createLoginLimit } from './login-limit.ts';
import type { HttpOptions } from './options.ts';
import { readBrowserId } from './browser-cookie.ts';
import { createQueues } from './queues.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRequestIds } from './request-id.ts';
import { logRequest } from './request-log.ts';
import { endpointAt, mountedRoutes, mountEndpoints } from './routes.ts';
import { createRunning } from './running.ts';
import { jsonText, sendWhole } from './send.ts';
import { endpointMiddlewares } from './serve.ts';
import { createValidator } from './validator.ts';

export type HttpApp = {
  /** For `http.createServer`. */
  readonly listener: (req: IncomingMessage, res: ServerResponse) => void;
  /** From now on new requests are refused, and what may take for ever (long polls, streams of events) is ended. */
  readonly endLongPolls: () => void;
  /** Tells every handler that still works to give up. */
  readonly abortAll: () => void;
  /** Ends the timers of the rate limits. */
  readonly close: () => void;
  /** How many answers have broken the contract so far. */
  readonly responseFaults: () => number;
  /** What Express has, as `GET /api/vm-status/:hostname`. */
  readonly routes: () => readonly string[];
  /** Requests that are not over. */
  readonly running: () => number;
};

/** Throws where the document is no contract. */
export function createHttpApp(options: HttpOptions): HttpApp {
  let faults = 0;
  let isEnding = false;
  const nowMs = options.nowMs ?? (() => performance.now());
  const limits = { ...defaultLimits, ...options.limits };
  const cookieKey = createSecretKey(options.browserCookie.key);
  const rateLimit = createRateLimit({
    requestsPerMinute: options.requestsPerMinute,
    browserIdOf: (req) => readBrowserId(req.headers.cookie, cookieKey),
    onRefused: (req, caller) => reportRefusedHeartbeat(options, req, caller),
  });
  const loginLimit = createLoginLimit(options.onFailedLogin ?? (() => undefined));
  const types = new Map(endpointList.map((endpoint) => [endpoint.id, successTypes(endpoint)]));
  const adapter: Adapter = {
    options,
    limits,
    nowMs,
    cookieKey,
    rateLimit: rateLimit.middleware,
    rememberCaller: rateLimit.remember,
    bodyBudget: createBodyBudget(limits),
    queues: createQueues(limits),
    loginLimit,
    compress: createCompression(),
    compressOnce: createCompressOnce(),
    validator: options.validator ?? createValidator(options.document),
    successTypes: ({ id }) => types.get(id) ?? [],
    running: createRunning(),
    isStopping: () => isEnding || options.isStopping(),
    newRequestId: createRequestIds(),
    onResponseFault: ({ endpoint, requestId }, fault) => {
      faults += 1;
      const id = endpoint?.id ?? null;
      if (options.responseFaults === 'throw')
        throw new Error(`the answer of ${id} breaks the contract: ${fault}`);
      options.log.warn({ request_id: requestId, endpoint: id, fault }, 'An answer breaks the contract.');
    },
  };
  const app = createExpress(adapter);
  const abortWhere = (applies: (context: RequestContext) => boolean): void => {
    for (const context of adapter.running.all())
      if (applies(context)) abort(context, 'The server is stopping.');
  };
  return {
    listener: (req, res) => void app(req, res),
    endLongPolls: () => {
      isEnding = true;
      abortWhere(({ endpoint }) => isEndless(endpoint));
    },
    abortAll: () => abortWhere(() => true),
    close: () => {
      rateLimit.close();
      loginLimit.close();
    },
    responseFaults: () => faults,
    routes: () => mountedRoutes(app),
    running: () => adapter.running.all().length,
  };
}

function createExpress(adapter: Adapter): Express {
  const app = express();
  app.disable('x-powered-by');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('trust proxy', adapter.options.trustProxy);
  // Express would give JSON a charset, and answer `If-None-Match: *` with a status that no endpoint declares.
  app.response.json = function (this: Response, body: unknown) {
    sendWhole(contextOf(this.req), jsonText(body));
    return this;
  };
  app.use((req, res, next) => {
    openRequest(adapter, req, res);
    // Below the contract: answered as for an address that belongs to no endpoint.
    const wrong = wrongHost(req, adapter.options);
    if (wrong === null) next();
    else answerError(contextOf(req), new ProblemError('bad_request', { detail: wrong, headers: CLOSE }));
  });
  mountEndpoints(app, endpointList, {
    middlewares: (endpoint) => endpointMiddlewares(adapter, endpoint),
    rateLimit: adapter.rateLimit,
  });
  app.use(adapter.rateLimit, () => {
    throw new ProblemError('not_found');
  });
  // Four parameters make it Express' error handler.
  app.use((error: unknown, req: Request, _res: Response, _next: NextFunction) => {
    const context = contextOf(req);
    // No route was reached with a path that cannot be decoded.
    context.endpoint ??= endpointAt(endpointList, req.method, req.path);
    answerError(context, error);
  });
  return app;
}

/** A machine whose heartbeat is refused lives. Without a token, only one that has none may be meant. */
function reportRefusedHeartbeat(options: HttpOptions, req: Request, caller: Caller | null): void {
  const { hostname } = req.params;
  if (contextOf(req).endpoint?.id !== 'postHeartbeat' || typeof hostname !== 'string') return;
  const isOwn = caller?.kind === 'vm' && caller.hostname === hostname;
  const mayBeOpen = options.vmAuth === 'open' && req.headers.authorization === undefined;
  if (isOwn || mayBeOpen) options.onRefusedHeartbeat?.(hostname, isOwn);
}

const CLOSE = { Connection: 'close' };

/** Null where the Host is right: one (RFC 9112, section 3.2), and no name of another site (DNS rebinding). */
function wrongHost({ headers, rawHeaders, httpVersion }: Request, { isOwnHost }: HttpOptions): string | null {
  const { host } = headers;
  if (host === undefined && httpVersion === '1.0') return null;
  // Names and values in turn.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (host === undefined || hosts.length > 1) return 'A request needs one Host header.';
  if (isOwnHost === undefined) return null;
  const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '');
  if (name !== undefined && isOwnHost(name)) return null;
  return 'This server listens for this computer alone, and the address names another one. Use http://localhost, or set PUBLIC_URL to the address that people use.';
}

function openRequest(adapter: Adapter, req: Request, res: Response): void {
  const context: RequestContext = {
    adapter,
    req,
    res,
    requestId: adapter.newRequestId(req.get('x-request-id')),
    startedMs: adapter.nowMs(),
    endpoint: null,
    caller: null,
    browserId: null,
    typed: () => ({}),
    controller: null,
    place: 0,
    releases: null,
  };
  remember(context);
  if (adapter.options.trustProxy === false && req.headers['x-forwarded-for'] !== undefined)
    adapter.options.onUntrustedProxy?.();
  // The request line may have the whole address or a fragment; the validator would not find the path that Express finds.
  const [, search = ''] = /^[^?#]*(\?[^#]*)/.exec(req.url) ?? [];
  req.url = req.path + search;
  adapter.running.add(context);
  res.once('close', () => {
    adapter.running.delete(context);
    releaseAll(context);
    if (!res.writableFinished) abort(context, 'The client left.');
    const { log, logRequests = true, onRequestEnd } = adapter.options;
    const nowMs = adapter.nowMs();
    logRequest(log, context, nowMs, logRequests);
    onRequestEnd?.(context.endpoint, res.headersSent ? res.statusCode : null, nowMs - context.startedMs);
  });
}

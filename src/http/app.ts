// The HTTP adapter: mounts the endpoint table on Express and serves it. Bytes in, bytes out; knows no handler and no
// table of the database.
import { createSecretKey, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { endpointList, type Endpoint } from '../contract/erased.ts';
import { ProblemError } from '../contract/problems.ts';
import { successTypes } from './accept.ts';
import type { Adapter } from './adapter.ts';
import { answerError } from './answer-error.ts';
import { createBeat, type Beat } from './beat.ts';
import { createCompress } from './compress.ts';
import { queryRules } from './contract-document.ts';
import { abort, isEndless, type Exchange } from './exchange.ts';
import { defaultLimits } from './limits.ts';
import type { HttpOptions } from './options.ts';
import { createRandomPool } from './random-pool.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRequestIds } from './request-id.ts';
import { logRequest } from './request-log.ts';
import { mountedRoutes, mountEndpoints, endpointAt } from './routes.ts';
import { serve } from './serve.ts';
import { createValidator } from './validator.ts';

export type HttpApp = {
  /** For `http.createServer`. */
  readonly listener: (req: IncomingMessage, res: ServerResponse) => void;
  /** From now on new requests are refused, and what may take for ever (polls, streams of events) is let go. */
  readonly letGo: () => void;
  /** Tells every handler that still works to give up. */
  readonly abortAll: () => void;
  /** Ends the timers. */
  readonly close: () => void;
  /** How many answers have broken the contract so far. */
  readonly responseFaults: () => number;
  /** What Express has, as `GET /api/vm-status/:hostname`. */
  readonly routes: () => readonly string[];
  /** Requests that are not over. */
  readonly running: () => number;
};

/** Rejects where the document is no contract. */
export async function createHttpApp(options: HttpOptions): Promise<HttpApp> {
  let faults = 0;
  let lettingGo = false;
  const validator = options.validator ?? (await createValidator(options.document));
  const nowMs = options.nowMs ?? (() => performance.now());
  const random = createRandomPool(options.randomBytes ?? randomBytes);
  const limits = { ...defaultLimits, ...options.limits };
  const beats = new Map<number, Beat>();
  const types = new Map(endpointList.map((endpoint) => [endpoint.id, successTypes(endpoint)]));
  const adapter: Adapter = {
    options,
    limits,
    validator,
    nowMs,
    browserCookie: { key: createSecretKey(options.browserCookie.key), secure: options.browserCookie.secure },
    compress: createCompress(),
    rateLimit: createRateLimit(options.requestsPerMinute),
    queryRules: queryRules(options.document),
    successTypes: ({ id }) => types.get(id) ?? [],
    beatOf: (seconds) => {
      const beat = beats.get(seconds) ?? createBeat(seconds * limits.keepAliveSecondMs, nowMs);
      beats.set(seconds, beat);
      return beat;
    },
    running: new Set(),
    isStopping: () => lettingGo || options.isStopping(),
    randomBytes: random,
    requestId: createRequestIds(random),
    onResponseFault: ({ endpoint, requestId }, fault) => {
      faults += 1;
      if (options.responseFaults === 'throw')
        throw new Error(`the answer of ${endpoint?.id ?? 'nothing'} breaks the contract: ${fault}`);
      options.log.warn(
        { request_id: requestId, endpoint: endpoint?.id ?? null, fault },
        'An answer breaks the contract.',
      );
    },
  };
  const app = createExpress(adapter);
  return {
    listener: (req, res) => {
      app(req, res);
    },
    letGo: () => {
      lettingGo = true;
      for (const exchange of adapter.running)
        if (isEndless(exchange)) abort(exchange, 'The server is stopping.');
    },
    abortAll: () => {
      for (const exchange of adapter.running) abort(exchange, 'The server is stopping.');
    },
    close: () => {
      adapter.rateLimit.close();
      for (const beat of beats.values()) beat.close();
    },
    responseFaults: () => faults,
    routes: () => mountedRoutes(app),
    running: () => adapter.running.size,
  };
}

function createExpress(adapter: Adapter): Express {
  const app = express();
  app.disable('x-powered-by');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.set('etag', false);
  // Queries are read by the adapter itself.
  app.set('query parser', false);
  app.set('trust proxy', adapter.options.trustProxy);
  mountEndpoints(app, endpointList, {
    serve: (req, res, endpoint) => void serve(adapter, open(adapter, req, res, endpoint), endpoint),
    refuseMethod: (req, res, allow) => {
      const refusal = new ProblemError('method_not_allowed', { headers: { Allow: allow } });
      void refuse(adapter, open(adapter, req, res, null), refusal);
    },
  });
  app.use((req, res) => {
    void refuse(adapter, open(adapter, req, res, null), new ProblemError('not_found'));
  });
  // Four parameters make it Express' error handler. Only paths that cannot be decoded come here.
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    const endpoint = endpointAt(endpointList, req.method, req.path);
    answerError(adapter, open(adapter, req, res, endpoint), error);
  });
  return app;
}

/** What is not in the contract is refused; who asks for it too often, likewise. */
async function refuse(adapter: Adapter, exchange: Exchange, refusal: ProblemError): Promise<void> {
  try {
    await adapter.rateLimit.check(exchange.req, exchange.res, null);
    throw refusal;
  } catch (error) {
    answerError(adapter, exchange, error);
  }
}

function open(adapter: Adapter, req: Request, res: Response, endpoint: Endpoint | null): Exchange {
  const exchange: Exchange = {
    req,
    res,
    endpoint,
    requestId: adapter.requestId(req.get('x-request-id')),
    startedMs: adapter.nowMs(),
    admitted: false,
    typed: {},
    controller: null,
  };
  adapter.running.add(exchange);
  res.once('close', () => {
    adapter.running.delete(exchange);
    if (!res.writableFinished) abort(exchange, 'The client left.');
    const { log, logRequests = true } = adapter.options;
    logRequest(log, exchange, adapter.nowMs(), logRequests);
  });
  return exchange;
}

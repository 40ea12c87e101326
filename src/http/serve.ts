// The middlewares of an endpoint, in the order in which a request may be refused, and its handler at the end.
import type { Request, RequestHandler } from 'express';
import { handlerOf, type AnyInput, type Endpoint } from '../contract/erased.ts';
import type { AnyReply, ArrivedBy, Caller } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { preferredType } from './accept.ts';
import { answerError } from './answer-error.ts';
import { answerReply } from './answer-reply.ts';
import { authorize, isOwnPage, requireOwnHostname } from './authorize.ts';
import { browserCookieHeader, makeBrowserId } from './browser-cookie.ts';
import { contextOf, signalOf, type Adapter, type RequestContext } from './context.ts';
import { networkOf } from './failures.ts';
import { queryErrors } from './form.ts';
import { answerKeptAlive } from './keep-alive.ts';
import { bodyReader, parseBody } from './request-body.ts';

/** A probe must not be refused because others are loud. */
const NOT_LIMITED = ['getHealth', 'getLiveness'];

export function endpointMiddlewares(adapter: Adapter, endpoint: Endpoint): readonly RequestHandler[] {
  return [
    (req, _res, next) => {
      contextOf(req).endpoint = endpoint;
      if (adapter.isStopping() && '503' in endpoint.responses) throw new ProblemError('stopping');
      next();
    },
    ...(NOT_LIMITED.includes(endpoint.id) ? [] : [adapter.rateLimit]),
    async (req, _res, next) => {
      await authorize(contextOf(req), endpoint);
      next();
    },
    ...bodyReader(endpoint, adapter.bodyBudget),
    (req, _res, next) => {
      const body = parseBody(contextOf(req), endpoint);
      const errors = [...body.errors, ...queryErrors(req.query, endpoint)];
      if (errors.length > 0) throw new ProblemError('invalid_request', { errors });
      req.body = body.value;
      next();
    },
    // After the body: who sends one slowly must not hold a place, and a form that is refused is shown again with what was typed.
    ...adapter.queues.middlewares(endpoint),
    ...adapter.validator(endpoint),
    (req) => {
      const context = contextOf(req);
      // Not returned: Express would keep its way through the routes for as long as a poll waits.
      void serve(context, endpoint).catch((error: unknown) => answerError(context, error));
    },
  ];
}

async function serve(context: RequestContext, endpoint: Endpoint): Promise<void> {
  const { adapter, req } = context;
  const handle = handlerOf(adapter.options.handlers, endpoint.id);
  const newBrowserId = context.browserId === null && endpoint.browserCookie ? makeBrowserId() : null;
  const input = new Input(context, endpoint, context.browserId ?? newBrowserId);
  await requireOwnHostname(adapter.options, endpoint, input);
  const pending = Promise.try(handle, input);
  if (endpoint.keepAliveSeconds !== null) return answerKeptAlive(context, endpoint, pending);
  const reply = await pending;
  // A form of another site brings no cookie (SameSite): one that is set then would replace the browser's own.
  const mayBeRemembered = endpoint.method === 'get' || isOwnPage(req, adapter.options.publicUrl);
  return answerReply(
    context,
    endpoint,
    newBrowserId !== null && mayBeRemembered ? withCookie(context, reply, newBrowserId) : reply,
  );
}

/**
 * What the handler gets: nothing of the request is reachable from it. A class, because V8 keeps the getters of an object literal, and
 * the request with them, until a full collection. A copy by `...` has no `arrivedBy` and no `signal`.
 */
class Input implements AnyInput {
  readonly path: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly caller: Caller;
  readonly browserId: string | null;
  readonly address: string;
  readonly network: string;
  readonly accept: string;
  readonly lastEventId: string | null;
  readonly idempotencyKey: string | null;
  readonly #context: RequestContext;

  constructor(context: RequestContext, endpoint: Endpoint, browserId: string | null) {
    const { adapter, req, caller } = context;
    if (caller === null) throw new Error('the request was not authorized');
    this.path = req.params;
    this.query = req.query;
    this.body = req.body;
    this.caller = caller;
    this.browserId = browserId;
    this.address = req.ip ?? '';
    this.network = networkOf(this.address);
    this.accept = preferredType(req, adapter.successTypes(endpoint));
    this.lastEventId = req.get('last-event-id') ?? null;
    this.idempotencyKey = req.get('idempotency-key') ?? null;
    this.#context = context;
  }

  get arrivedBy(): ArrivedBy {
    return arrivedBy(this.#context.req);
  }

  get signal(): AbortSignal {
    return signalOf(this.#context);
  }
}

function arrivedBy(req: Request): ArrivedBy {
  return {
    peer: req.socket.remoteAddress ?? '',
    protocol: req.protocol === 'https' ? 'https' : 'http',
    host: req.host,
    forwardedFor: req.get('x-forwarded-for') ?? null,
    forwardedProto: req.get('x-forwarded-proto') ?? null,
    forwardedHost: req.get('x-forwarded-host') ?? null,
  };
}

function withCookie({ adapter }: RequestContext, reply: AnyReply, browserId: string): AnyReply {
  const cookie = browserCookieHeader(browserId, {
    key: adapter.cookieKey,
    secure: adapter.options.browserCookie.secure,
  });
  return { ...reply, headers: { ...reply.headers, 'Set-Cookie': cookie } };
}

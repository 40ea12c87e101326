// One request and its answer, as the middlewares of this module share it, and what lives as long as the app.
import type { KeyObject } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Endpoint } from '../contract/erased.ts';
import type { Caller } from '../contract/handlers.ts';
import type { BodyBudget } from './body-budget.ts';
import type { Compress, CompressOnce } from './compression.ts';
import type { HttpLimits } from './limits.ts';
import type { LoginLimit } from './login-limit.ts';
import type { HttpOptions, Validator } from './options.ts';
import type { Running } from './running.ts';

export type Adapter = {
  readonly options: HttpOptions;
  readonly limits: HttpLimits;
  readonly cookieKey: KeyObject;
  readonly rateLimit: RequestHandler;
  readonly rememberCaller: (req: Request, caller: Caller) => void;
  readonly bodyBudget: BodyBudget;
  /** Of the kind of client that an endpoint is for; none where it has no queue. */
  readonly queues: { readonly middlewares: (endpoint: Endpoint) => readonly RequestHandler[] };
  readonly loginLimit: LoginLimit;
  readonly compress: Compress;
  readonly compressOnce: CompressOnce;
  readonly validator: Validator;
  readonly successTypes: (endpoint: Endpoint) => readonly string[];
  /** Requests whose connection is not closed and whose answer is not complete. */
  readonly running: Running<RequestContext>;
  readonly isStopping: () => boolean;
  readonly nowMs: () => number;
  readonly newRequestId: (given: string | undefined) => string;
  /** Counts an answer that breaks the contract, and logs it. In the mode `throw` it throws. */
  readonly onResponseFault: (context: RequestContext, fault: string) => void;
};

export type RequestContext = {
  readonly adapter: Adapter;
  readonly req: Request;
  readonly res: Response;
  readonly requestId: string;
  readonly startedMs: number;
  /** Null until a route is reached, and where the address belongs to no endpoint. */
  endpoint: Endpoint | null;
  /** Null until the credentials were right, or none were needed. */
  caller: Caller | null;
  /** The browser's signed id, where the endpoint asks for it and the browser has one. */
  browserId: string | null;
  /** What was typed into the form, as far as it was read: asked for where the form is shown again. */
  typed: () => Readonly<Record<string, string>>;
  /** Made by `signalOf` for those who ask, so that ten thousand waiting polls stay small. */
  controller: AbortController | null;
  /** Of `running`. */
  place: number;
  /** What `whenClosed` was given; null: nothing, as for ten thousand waiting polls. */
  releases: (() => void)[] | null;
};

const CONTEXT = Symbol('context');
/** No WeakMap: V8's young generation keeps what is in one, so each request would live until a full collection. */
type WithContext = Request & { [CONTEXT]?: RequestContext };

export function remember(context: RequestContext): void {
  const req: WithContext = context.req;
  req[CONTEXT] = context;
}

export function contextOf({ [CONTEXT]: context }: WithContext): RequestContext {
  if (context === undefined) throw new Error('the request did not pass the first middleware');
  return context;
}

/** Nobody listens any more, or the answer is complete. */
export function isOver({ res }: RequestContext): boolean {
  return res.destroyed || res.writableEnded;
}

/** Aborted when the client leaves, or when the server ends the request. */
export function signalOf(context: RequestContext): AbortSignal {
  context.controller ??= new AbortController();
  if (context.res.destroyed && !context.res.writableFinished) abort(context, 'The client left.');
  return context.controller.signal;
}

/** Aborts the signal, where `signalOf` has made one. */
export function abort({ controller }: RequestContext, reason: string): void {
  controller?.abort(new Error(reason));
}

/** Runs this once when the answer is complete or the client has left: one listener for all, of which Node warns when there are many. */
export function whenClosed(context: RequestContext, release: () => void): void {
  (context.releases ??= []).push(release);
}

/** To be called once, at the end of the response. */
export function releaseAll(context: RequestContext): void {
  for (const release of context.releases ?? []) release();
  context.releases = null;
}

/** Whether the answer may take for ever: a long poll, or a stream of events. */
export function isEndless(endpoint: Endpoint | null): boolean {
  return endpoint !== null && (endpoint.keepAliveSeconds !== null || endpoint.eventStream);
}

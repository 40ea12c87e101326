// Requests are served a few at a time, in the order in which they come, with a queue for each kind of client: a crowd of one kind
// delays the others by no more than the few that are being served. Beyond the queue, a request is refused before it costs more.
import type { RequestHandler } from 'express';
import pLimit from 'p-limit';
import type { SecurityScheme } from '../contract/endpoint.ts';
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError } from '../contract/problems.ts';
import { contextOf, isEndless, isOver, whenClosed, type Adapter } from './context.ts';
import type { HttpLimits } from './limits.ts';

type Kind = keyof HttpLimits['queues'];

/** By what may be shown to the endpoint; the first that it accepts decides. Logs have a queue for each machine (log-intake.ts). */
const kinds: readonly (readonly [SecurityScheme, Kind | null])[] = [
  ['forwarderToken', null],
  ['browserCookie', 'people'],
  ['vmToken', 'machines'],
  ['adminBasic', 'admins'],
];
/** By the tag of an endpoint that accepts everybody; what is served from memory has no queue. */
const kindsOfPublic: Readonly<Record<string, Kind>> = {
  participant: 'people',
  waiting: 'people',
  status: 'admins',
};

/** Null: the endpoint has no queue. */
export function kindOf(endpoint: Endpoint): Kind | null {
  // A poll is answered when its machine is assigned: how many may wait is another limit. Events come as long as somebody looks.
  if (isEndless(endpoint) || !('503' in endpoint.responses)) return null;
  const known = kinds.find(([scheme]) => endpoint.security.flat().includes(scheme));
  return known ? known[1] : (kindsOfPublic[endpoint.tag] ?? null);
}

/** Those who were refused in one moment do not come back in one moment. */
const RETRY_SECONDS = [3, 4, 5, 6, 7] as const;

/** The middleware passes on when it is the request's turn, or refuses it as `overloaded` at once. Its turn is over with its answer. */
export function createQueues({ queues }: Pick<HttpLimits, 'queues'>): Adapter['queues'] {
  const middlewareOf = new Map<Kind, RequestHandler>();
  let refused = 0;

  function create({
    atOnce,
    waiting,
  }: {
    readonly atOnce: number;
    readonly waiting: number;
  }): RequestHandler {
    const turns = pLimit(atOnce);
    return (req, _res, next) => {
      if (turns.pendingCount >= waiting) {
        const seconds = RETRY_SECONDS[refused++ % RETRY_SECONDS.length] ?? RETRY_SECONDS[0];
        throw new ProblemError('overloaded', { headers: { 'Retry-After': String(seconds) } });
      }
      void turns(() => {
        const context = contextOf(req);
        // The client has left meanwhile.
        if (isOver(context)) return Promise.resolve();
        return new Promise<void>((resolve) => {
          whenClosed(context, resolve);
          next();
        });
      });
    };
  }

  return {
    middlewares: (endpoint) => {
      const kind = kindOf(endpoint);
      if (kind === null) return [];
      const middleware = middlewareOf.get(kind) ?? create(queues[kind]);
      middlewareOf.set(kind, middleware);
      return [middleware];
    },
  };
}

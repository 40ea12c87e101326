// One request and its answer: who it is, what it asks for, and whether anybody still listens. The signal is made only
// for those who ask, so that ten thousand waiting polls stay small.
import type { Request, Response } from 'express';
import type { Endpoint } from '../contract/erased.ts';

export type Exchange = {
  readonly req: Request;
  readonly res: Response;
  /** null = no endpoint of the contract. */
  readonly endpoint: Endpoint | null;
  readonly requestId: string;
  readonly startedMs: number;
  /** The credentials were right, or none were needed. */
  admitted: boolean;
  /** What was typed into the form, so far as it was read. */
  typed: Readonly<Record<string, string>>;
  /** Set by `signalOf`. */
  controller: AbortController | null;
};

/** Nobody listens any more, or the answer is complete. */
export function isOver({ res }: Exchange): boolean {
  return res.destroyed || res.writableEnded;
}

/** Aborted when the client leaves, or the server lets go of it. */
export function signalOf(exchange: Exchange): AbortSignal {
  exchange.controller ??= new AbortController();
  if (exchange.res.destroyed && !exchange.res.writableFinished) abort(exchange, 'The client left.');
  return exchange.controller.signal;
}

/** Aborts the signal, where somebody has asked for it. */
export function abort({ controller }: Exchange, reason: string): void {
  controller?.abort(new Error(reason));
}

/** Its answer may take for ever: a poll that waits, a stream of events. */
export function isEndless({ endpoint }: Exchange): boolean {
  return endpoint !== null && (endpoint.keepAliveSeconds !== null || endpoint.eventStream);
}

/**
 * Lets go of what a request that waits needs no more: its headers (read already), and what Express keeps of its way
 * through the routes. Measured: 2.5 of the 25 KiB that a waiting poll costs, most of which are Node's own. Members are
 * emptied, not deleted: deleting costs more than it frees.
 */
export function slim({ req }: Exchange): void {
  req.headers = {};
  req.rawHeaders = [];
  Reflect.set(req, 'next', undefined);
  Reflect.set(req, '_parsedUrl', undefined);
  Reflect.set(req, 'rateLimit', undefined);
}

// Any error as a problem, and what of it the log must know. Nothing of an unknown error is told to the client.
import { ProblemError } from '../contract/problems.ts';
import type { Adapter } from './adapter.ts';
import type { Exchange } from './exchange.ts';

/** The problem to answer with. What is a bug is logged here, once, with its stack. */
export function toProblem(adapter: Adapter, exchange: Exchange, error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const known = adapter.options.classifyError?.(error) ?? null;
  if (known !== null) {
    adapter.options.log.warn(about(exchange, error), `Answered with ${known.code}.`);
    return known;
  }
  // Whoever was told to stop may stop by throwing.
  if (exchange.controller?.signal.aborted === true && adapter.isStopping())
    return new ProblemError('stopping');
  // Express throws this of a path that is not percent-encoded UTF-8.
  if (error instanceof URIError)
    return new ProblemError('bad_request', {
      detail: 'The address is damaged: it is not percent-encoded UTF-8.',
    });
  adapter.options.log.error(about(exchange, error), 'A request failed by a fault of the server.');
  return new ProblemError('internal_error');
}

function about({ requestId, endpoint }: Exchange, error: unknown): Readonly<Record<string, unknown>> {
  return { err: error, request_id: requestId, endpoint: endpoint?.id ?? null };
}

// The one line that the log gets of a request, at its end. Never a body, a query or a header.
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { Log } from '../log.ts';
import { isEndless, type RequestContext } from './context.ts';

/** Requested all the time, and of no interest while they succeed. */
const QUIET: readonly (EndpointId | undefined)[] = ['getHealth', 'getLiveness', 'getAsset'];
const PATH_CHARACTERS = 300;
const SLOW_MS = 2_000;

/** @param all whether every request is logged at `info`, not only those that failed or were slow */
export function logRequest(log: Log, context: RequestContext, nowMs: number, all: boolean): void {
  const { req, res, endpoint, requestId, startedMs } = context;
  const isQuiet = all ? QUIET.includes(endpoint?.id) : !isNotable(context, nowMs - startedMs);
  const level = isQuiet ? 'debug' : 'info';
  const [path = ''] = req.originalUrl.split('?', 1);
  log[level](
    {
      request_id: requestId,
      address: req.ip ?? null,
      method: req.method,
      path: path.slice(0, PATH_CHARACTERS),
      endpoint: endpoint?.id ?? null,
      status: res.headersSent ? res.statusCode : null,
      ms: Math.round(nowMs - startedMs),
      ...(!res.writableFinished && { left: true }),
    },
    res.writableFinished ? 'A request was answered.' : 'A request ended before its answer did.',
  );
}

/** A poll that waits and a stream of events always take long, and end when their client or the server leaves. */
function isNotable(context: RequestContext, tookMs: number): boolean {
  const { res } = context;
  return !isEndless(context.endpoint) && (!res.writableFinished || res.statusCode >= 500 || tookMs > SLOW_MS);
}

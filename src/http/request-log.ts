// The one line that the log gets of a request, at its end. Never a body, a query or a header.
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { Log } from '../log.ts';
import type { Exchange } from './exchange.ts';

/** Asked all the time, and of no interest while they go well. */
const QUIET: readonly (EndpointId | undefined)[] = ['getHealth', 'getLiveness', 'getAsset'];
const PATH_CHARACTERS = 300;

export function logRequest(
  log: Log,
  { req, res, endpoint, requestId, startedMs }: Exchange,
  nowMs: number,
): void {
  const level = QUIET.includes(endpoint?.id) ? 'debug' : 'info';
  const [path = ''] = req.originalUrl.split('?', 1);
  log[level](
    {
      request_id: requestId,
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

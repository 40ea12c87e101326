// The server behind METRICS_PORT: the endpoint getMetrics and nothing else, for a monitor that is not let through to the pages.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { endpoints } from '../contract/endpoints.gen.ts';
import { problemBody, type ProblemCode } from '../contract/problems.ts';
import type { Log } from '../log.ts';
import type { HttpApp } from './app.ts';
import { readCredentials } from './credentials.ts';
import { jsonText } from './send.ts';

export type MetricsAppOptions = {
  readonly render: () => Promise<string>;
  /** Null: nobody has to send one. */
  readonly isToken: ((token: string) => boolean) | null;
  readonly log: Log;
};

const METHODS: readonly (string | undefined)[] = ['GET', 'HEAD'];

export function createMetricsApp(
  options: MetricsAppOptions,
): Pick<HttpApp, 'listener' | 'endLongPolls' | 'abortAll' | 'close'> {
  return {
    listener: (req, res) => {
      answer(options, req, res).catch((error: unknown) => {
        options.log.error({ err: error }, 'Metrics could not be read.');
        if (res.headersSent) res.destroy();
        else refuse(res, 'internal_error');
      });
    },
    endLongPolls: () => undefined,
    abortAll: () => undefined,
    close: () => undefined,
  };
}

async function answer(
  { render, isToken }: MetricsAppOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const [path] = (req.url ?? '').split('?', 1);
  if (path !== endpoints.getMetrics.path || !METHODS.includes(req.method)) {
    refuse(res, 'not_found');
    return;
  }
  const credentials = readCredentials(req.headers.authorization);
  if (isToken !== null && !(credentials.kind === 'bearer' && isToken(credentials.token))) {
    refuse(res, 'token_wrong', { 'WWW-Authenticate': 'Bearer realm="LabLink"' });
    return;
  }
  const text = await render();
  res.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  res.end(text);
}

function refuse(
  res: ServerResponse,
  code: ProblemCode,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = problemBody(code);
  res.writeHead(body.status, { 'Content-Type': 'application/problem+json', ...headers });
  res.end(jsonText(body));
}

// The one error path: any error becomes a problem, and the problem JSON, the endpoint's page, or its form with the
// message. It cannot fail itself: a page that cannot be rendered falls back to the barest one.
import type { Endpoint } from '../contract/erased.ts';
import { problemBody, problems, ProblemError, type Problem } from '../contract/problems.ts';
import { answersHtml, prefersHtml } from './accept.ts';
import type { Adapter } from './adapter.ts';
import { retryHeaders } from './answer-reply.ts';
import { isOver, type Exchange } from './exchange.ts';
import { toProblem } from './failure.ts';
import { send } from './send.ts';

/** Never throws. Where the answer has begun already, the connection is cut: a half answer must not look whole. */
export function answerError(adapter: Adapter, exchange: Exchange, error: unknown): void {
  const { res } = exchange;
  if (isOver(exchange)) return;
  try {
    const found = toProblem(adapter, exchange, error);
    if (res.headersSent) res.destroy();
    else sendProblem(adapter, exchange, declaredProblem(adapter, exchange, found));
  } catch (fault) {
    // A header that cannot be sent, say.
    const { requestId } = exchange;
    adapter.options.log.error({ err: fault, request_id: requestId }, 'An error could not be answered.');
    res.destroy();
  }
}

/** A problem whose status the endpoint does not declare is a fault like any other answer that breaks the contract. */
function declaredProblem(adapter: Adapter, exchange: Exchange, found: ProblemError): ProblemError {
  const { status } = problems[found.code];
  if (exchange.endpoint === null || String(status) in exchange.endpoint.responses) return found;
  try {
    adapter.onResponseFault(exchange, `status ${status} (${found.code}) is not declared`);
    return found;
  } catch (fault) {
    return toProblem(adapter, exchange, fault);
  }
}

function sendProblem(adapter: Adapter, exchange: Exchange, { code, extras }: ProblemError): void {
  const { req, endpoint, requestId } = exchange;
  const problem: Problem = { ...problemBody(code, extras), request_id: requestId };
  const { status } = problem;
  const headers = retryHeaders({ status, headers: extras.headers ?? {} });
  const html = endpoint === null ? prefersHtml(req) : answersHtml(req, endpoint, status);
  if (!html) {
    send(adapter, exchange, {
      status,
      type: 'application/problem+json',
      headers,
      body: JSON.stringify(problem),
    });
    return;
  }
  const form = endpoint !== null && isFormMatter(exchange, endpoint, problem);
  const body = form
    ? renderSafely(adapter, exchange, problem, () =>
        adapter.options.pages.form({ endpointId: endpoint.id, problem, values: exchange.typed }),
      )
    : renderSafely(adapter, exchange, problem, () =>
        adapter.options.pages.error({ problem, endpointId: endpoint?.id ?? null }),
      );
  const isFieldError = form && code === 'invalid_request';
  send(adapter, exchange, { status: isFieldError ? 200 : status, type: 'text/html', headers, body });
}

/** What the sender of the form can mend, or has to wait for. Nobody else gets to see the form of an admin. */
const FORM_STATUSES = [400, 413, 415, 503];

function isFormMatter({ admitted }: Exchange, { formPage }: Endpoint, { status }: Problem): boolean {
  return formPage && admitted && FORM_STATUSES.includes(status);
}

function renderSafely(
  { options }: Adapter,
  { requestId }: Exchange,
  problem: Problem,
  render: () => string,
): string {
  try {
    return render();
  } catch (error) {
    options.log.error({ err: error, request_id: requestId }, 'The page of a problem could not be rendered.');
    const title = escapeHtml(problem.title);
    return `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1><p>${escapeHtml(problem.detail)}</p></html>`;
  }
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

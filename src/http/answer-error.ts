// Any error becomes a problem, and the problem JSON, the endpoint's page, or its form with the message. It cannot fail
// itself: a page that cannot be rendered falls back to the barest one.
import type { Endpoint } from '../contract/erased.ts';
import { problemBody, problems, ProblemError, type Problem } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import { answersHtml, prefersHtml } from './accept.ts';
import { isOver, type RequestContext } from './context.ts';
import { prepareHead, retryAfter, sendWhole } from './send.ts';
import { requestProblem } from './validator.ts';

/** Never throws. Where the answer has begun, the connection is cut: a half answer must not look whole. */
export function answerError(context: RequestContext, error: unknown): void {
  const { adapter, res, requestId } = context;
  if (isOver(context)) return;
  try {
    const found = toProblem(context, error);
    if (res.headersSent) res.destroy();
    else sendProblem(context, declaredProblem(context, found));
  } catch (fault) {
    // A header that cannot be sent, for example.
    adapter.options.log.error({ err: fault, request_id: requestId }, 'An error could not be answered.');
    res.destroy();
  }
}

/** Logs a bug once, with its stack. The client learns nothing of an unknown error. */
function toProblem(context: RequestContext, error: unknown): ProblemError {
  const { options, isStopping } = context.adapter;
  if (error instanceof ProblemError) return error;
  const wrong = requestProblem(error);
  if (wrong !== null) return wrong;
  const known = options.classifyError?.(error) ?? null;
  if (known !== null) {
    options.log.warn(about(context, error), `Answered with ${known.code}.`);
    return known;
  }
  // A handler whose signal was aborted may end by throwing.
  if (context.controller?.signal.aborted === true && isStopping()) return new ProblemError('stopping');
  // Express throws this for a path that is not percent-encoded UTF-8.
  if (error instanceof URIError)
    return new ProblemError('bad_request', {
      detail: 'The address is damaged: it is not percent-encoded UTF-8.',
    });
  options.log.error(about(context, error), 'A request failed because of a fault of the server.');
  return new ProblemError('internal_error');
}

function about({ requestId, endpoint }: RequestContext, error: unknown): Readonly<Record<string, unknown>> {
  return { err: error, request_id: requestId, endpoint: endpoint?.id ?? null };
}

/** A problem whose status the endpoint does not declare breaks the contract like any other answer. */
function declaredProblem(context: RequestContext, found: ProblemError): ProblemError {
  const { adapter, endpoint } = context;
  const { status } = problems[found.code];
  if (endpoint === null || String(status) in endpoint.responses) return found;
  try {
    adapter.onResponseFault(context, `status ${status} (${found.code}) is not declared`);
    return found;
  } catch (fault) {
    return toProblem(context, fault);
  }
}

function sendProblem(context: RequestContext, { code, extras }: ProblemError): void {
  const { req, endpoint, requestId } = context;
  const problem: Problem = { ...problemBody(code, extras), request_id: requestId };
  const { status } = problem;
  const headers = { ...retryAfter(context, status), ...extras.headers };
  const html = endpoint === null ? prefersHtml(req) : answersHtml(req, endpoint, status);
  if (!html) {
    prepareHead(context, { status, type: 'application/problem+json', headers });
    sendWhole(context, JSON.stringify(problem));
    return;
  }
  const isForm = endpoint !== null && showsForm(context, endpoint, problem);
  const body = renderPage(context, problem, { form: isForm ? endpoint : null, headers });
  const isFieldError = isForm && code === 'invalid_request';
  prepareHead(context, { status: isFieldError ? 200 : status, type: 'text/html', headers });
  sendWhole(context, body);
}

/** What the sender of the form can correct, or has to wait for. Only the admin gets to see the form of an admin. */
const FORM_STATUSES = [400, 413, 415, 503];

function showsForm({ caller }: RequestContext, { formPage }: Endpoint, { status }: Problem): boolean {
  return formPage && caller !== null && FORM_STATUSES.includes(status);
}

function renderPage(
  context: RequestContext,
  problem: Problem,
  { form, headers }: { readonly form: Endpoint | null; readonly headers: Readonly<Record<string, string>> },
): string {
  const { options } = context.adapter;
  const seconds = headers['Retry-After'];
  const viewer = viewerOf(context.caller);
  const retryAfterSeconds = seconds === undefined ? null : Number(seconds);
  try {
    return form === null
      ? options.pages.error({
          problem,
          endpointId: context.endpoint?.id ?? null,
          path: context.req.path,
          viewer,
        })
      : options.pages.form({
          endpointId: form.id,
          problem,
          viewer,
          values: context.typed(),
          retryAfterSeconds,
        });
  } catch (error) {
    options.log.error(about(context, error), 'The page of a problem could not be rendered.');
    const title = escapeHtml(problem.title);
    return `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1><p>${escapeHtml(problem.detail)}</p></html>`;
  }
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

// Requests to the allocator: each has an answer or a failure, and is repeated until it is answered where that helps.
import { isAborted, sleep } from '../async/abort.ts';
import { withTimeLimit } from '../async/time-limit.ts';
import { createLablinkClient, type LablinkClient } from '../client/client.ts';
import { describeFailure, fail, succeed, type Failed, type Failure, type Result } from '../result.ts';
import type { ErrorLog } from './error-log.ts';
import { watchIdle } from './idle.ts';
import type { AgentIntervals, AgentOptions } from './options.ts';

export type RequestFailure = Failure<
  | 'unreachable'
  | 'not_an_allocator'
  /** 401 or 403: an admin must do something, so there is no hurry. */
  | 'unauthorized'
  /** 404: the allocator does not know this machine (any more). */
  | 'unknown_vm'
  /** Another 4xx: the same request would be refused again. */
  | 'refused'
  /** 5xx, 408, 425 or 429. */
  | 'unavailable'
> & { readonly status: number | null; readonly retryAfterMs: number | null };
export type Answer<T> = Result<T, RequestFailure>;

type Response_<T> = { readonly data?: T; readonly error?: unknown; readonly response: Response };
export type Send<T> = (client: LablinkClient, signal: AbortSignal) => Promise<Response_<T>>;

export type Api = {
  /** Asks once; answered within `requestMs` or not at all. */
  ask<T>(send: Send<T>, signal: AbortSignal): Promise<Answer<T>>;
  /** Asks once, and waits as long as at least one byte comes every `pollIdleMs`. `onAccepted` is called when the answer begins. */
  poll<T>(send: Send<T>, signal: AbortSignal, onAccepted: () => void): Promise<Answer<T>>;
};

export type RequestContext = {
  readonly options: AgentOptions;
  readonly api: Api;
  readonly errors: ErrorLog;
};

export function createApi(options: AgentOptions): Api {
  const { fetch } = options.dependencies;
  const { requestMs, pollIdleMs } = options.intervals;
  const base = {
    baseUrl: options.allocatorUrl,
    userAgent: 'LabLink-Agent/1.0',
    ...(options.token !== null && { token: options.token }),
  };
  const client = createLablinkClient({ ...base, fetch });
  return {
    ask: (send, signal) =>
      withTimeLimit(
        requestMs,
        (limit) => answerOf(() => send(client, AbortSignal.any([signal, limit]))),
        () => fail(unreachable(`no answer within ${requestMs} ms`)),
      ),
    poll: (send, signal, onAccepted) => {
      const waiting = createLablinkClient({ ...base, fetch: watchIdle(fetch, pollIdleMs, onAccepted) });
      return answerOf(() => send(waiting, signal));
    },
  };
}

async function answerOf<T>(send: () => Promise<Response_<T>>): Promise<Answer<T>> {
  try {
    const { data, error, response } = await send();
    if (!response.ok) return fail(failureOf(response, explanationOf(error)));
    // Every success of the allocator is an object; a captive portal may answer 200 too.
    return typeof data === 'object' && data !== null ? succeed(data) : fail(notAnAllocator);
  } catch (error) {
    return fail(error instanceof SyntaxError ? notAnAllocator : unreachable(reasonOf(error)));
  }
}

export const notAnAllocator: RequestFailure = {
  code: 'not_an_allocator',
  message: 'the allocator cannot be reached: what answers there is not a LabLink allocator.',
  remedy: 'Check ALLOCATOR_URL.',
  status: null,
  retryAfterMs: null,
};

function unreachable(reason: string): RequestFailure {
  const message = `the allocator cannot be reached: ${reason}.`;
  return { code: 'unreachable', message, remedy: 'The agent tries again.', status: null, retryAfterMs: null };
}

/** 408, 425 and 429 ask for patience, not for another request. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

function failureOf({ status, headers }: Response, explanation: string): RequestFailure {
  const retryAfterMs = readRetryAfter(headers.get('Retry-After'), Date.now());
  const message = `the allocator answered ${status}: ${explanation}`;
  const known = { status, retryAfterMs, message };
  if (status === 401 || status === 403)
    return {
      ...known,
      code: 'unauthorized',
      message: `the allocator refuses this machine's token (${status}): ${explanation}`,
      remedy: 'Check API_TOKEN and VM_NAME.',
    };
  if (status === 404) return { ...known, code: 'unknown_vm', remedy: 'The agent reports its status again.' };
  if (status >= 400 && status < 500 && !TRANSIENT.has(status))
    return { ...known, code: 'refused', remedy: 'The allocator would refuse the same request again.' };
  return { ...known, code: 'unavailable', remedy: 'The agent tries again.' };
}

const EXPLANATION_MAX_LENGTH = 300;

/** The detail of a problem, or what a proxy on the way has answered instead. */
function explanationOf(error: unknown): string {
  const text =
    typeof error === 'object' && error !== null && 'detail' in error && typeof error.detail === 'string'
      ? error.detail
      : typeof error === 'string'
        ? error.replace(/\s+/g, ' ').trim()
        : 'no explanation.';
  return text.slice(0, EXPLANATION_MAX_LENGTH);
}

/** fetch throws "fetch failed", with the reason as its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return inner instanceof Error && inner.message !== '' ? inner.message : error.message;
}

/** Asking again would not change the answer. */
export function isFinal({ code }: RequestFailure): boolean {
  return code === 'refused' || code === 'unknown_vm';
}

/**
 * Asks until the allocator accepts or refuses. Null: the signal was aborted before.
 *
 * @param what begins the sentence in the log: "reporting the status"
 */
export async function untilAnswered<T>(
  { api, errors, options }: RequestContext,
  what: string,
  send: Send<T>,
  signal: AbortSignal,
): Promise<Answer<T> | null> {
  for (let attempt = 0; ; attempt++) {
    const answer = await api.ask(send, signal);
    if (answer.ok) errors.resolve(what);
    if (answer.ok || isFinal(answer.failure)) return answer;
    if (isAborted(signal)) return null;
    errors.report(what, describeFailure(answer.failure));
    await sleep(delayAfter(answer, attempt, options.intervals), signal);
    if (isAborted(signal)) return null;
  }
}

/** Milliseconds to wait after a failure; `attempt` counts the failures before it. */
export function delayAfter(
  { failure }: Failed<RequestFailure>,
  attempt: number,
  intervals: AgentIntervals,
): number {
  if (failure.code === 'unauthorized') return atLeastMs(intervals.refusedMs, Math.random());
  const backoff = backoffMs(attempt, intervals, Math.random());
  if (failure.retryAfterMs === null) return backoff;
  return Math.max(backoff, atLeastMs(failure.retryAfterMs, Math.random()));
}

const SHORTEST_MS = 50;
/** A longer Retry-After counts as this. */
const RETRY_AFTER_MAX_MS = 300_000;

/**
 * Milliseconds before attempt number `attempt + 2` (0: the first one failed), spread over the whole range, because all
 * machines of a lab lose their allocator at the same time (p-retry spreads only the first attempts).
 *
 * @param random 0 ≤ x < 1
 */
export function backoffMs(
  attempt: number,
  limits: Pick<AgentIntervals, 'backoffFirstMs' | 'backoffMaxMs'>,
  random: number,
): number {
  const ceiling = Math.min(limits.backoffMaxMs, limits.backoffFirstMs * 2 ** Math.min(attempt, 30));
  return Math.max(SHORTEST_MS, Math.round(random * ceiling));
}

/** At least `waitMs` (bounded), spread over half as much again. */
export function atLeastMs(waitMs: number, random: number): number {
  return Math.round(Math.min(waitMs, RETRY_AFTER_MAX_MS) * (1 + random / 2));
}

/** `Retry-After`, seconds or a date, in milliseconds; null if it is missing or unreadable. */
export function readRetryAfter(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === '') return null;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

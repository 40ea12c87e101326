// One request to the allocator, as a value: answered, refused or not reached. Knows nothing of trying again.
import { createLablinkClient, type LablinkClient } from '../client/client.ts';
import { readRetryAfter } from './backoff.ts';
import { watchIdle } from './idle.ts';
import type { AgentOptions } from './options.ts';

export type Refusal = {
  readonly kind: 'refused';
  readonly status: number;
  /** The allocator's sentence. */
  readonly detail: string;
  readonly retryAfterMs: number | null;
};
export type Unreachable = { readonly kind: 'unreachable'; readonly reason: string };
export type Answer<T> = { readonly kind: 'ok'; readonly data: T } | Refusal | Unreachable;

type Raw<T> = { readonly data?: T; readonly error?: unknown; readonly response: Response };
export type Send<T> = (client: LablinkClient, signal: AbortSignal) => Promise<Raw<T>>;

export type Api = {
  /** Asks, and is answered within `requestMs` or not at all. */
  ask<T>(send: Send<T>, signal: AbortSignal): Promise<Answer<T>>;
  /**
   * Asks, and waits as long as something comes at least every `pollIdleMs`; `onAccepted` is told when the answer begins, of
   * which the rest may take for ever.
   */
  wait<T>(send: Send<T>, signal: AbortSignal, onAccepted: () => void): Promise<Answer<T>>;
};

const DETAIL_MAX_LENGTH = 300;
export const ORPHAN: Unreachable = {
  kind: 'unreachable',
  reason: 'what answers there is not a LabLink allocator',
};

export function createApi(options: AgentOptions): Api {
  const { clock, fetch } = options.world;
  const { requestMs, pollIdleMs } = options.intervals;
  const base = { baseUrl: options.allocatorUrl, ...(options.token !== null && { token: options.token }) };
  const asking = createLablinkClient({ ...base, fetch });

  async function ask<T>(send: Send<T>, signal: AbortSignal): Promise<Answer<T>> {
    const late = new AbortController();
    const answered = new AbortController();
    void clock
      .sleep(requestMs, answered.signal)
      .then(() => late.abort(new Error(`no answer within ${requestMs} ms`)));
    try {
      return await run(() => send(asking, AbortSignal.any([signal, late.signal])));
    } finally {
      answered.abort();
    }
  }

  async function run<T>(send: () => Promise<Raw<T>>): Promise<Answer<T>> {
    try {
      return readAnswer(await send(), clock.now());
    } catch (error) {
      if (error instanceof SyntaxError) return ORPHAN;
      return { kind: 'unreachable', reason: reasonOf(error) };
    }
  }

  function wait<T>(send: Send<T>, signal: AbortSignal, onAccepted: () => void): Promise<Answer<T>> {
    const waiting = createLablinkClient({ ...base, fetch: watchIdle(fetch, clock, pollIdleMs, onAccepted) });
    return run(() => send(waiting, signal));
  }

  return { ask, wait };
}

function readAnswer<T>({ data, error, response }: Raw<T>, nowMs: number): Answer<T> {
  // Whatever succeeds is answered with an object; a portal on the way may answer 200 too.
  if (response.ok) return typeof data === 'object' && data !== null ? { kind: 'ok', data } : ORPHAN;
  return {
    kind: 'refused',
    status: response.status,
    detail: detailOf(error).slice(0, DETAIL_MAX_LENGTH),
    retryAfterMs: readRetryAfter(response.headers.get('Retry-After'), nowMs),
  };
}

/** The sentence of a problem, or whatever a proxy in between has answered in its place. */
function detailOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'detail' in error && typeof error.detail === 'string') {
    return error.detail;
  }
  return typeof error === 'string' ? error.replace(/\s+/g, ' ').trim() : 'no explanation';
}

/** fetch says "fetch failed", and the reason in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return inner instanceof Error && inner.message !== '' ? inner.message : error.message;
}

// Trying again: which answers end it, and how long to wait after the others.
import type { Answer, Api, Refusal, Send } from './api.ts';
import { atLeastMs, backoffMs } from './backoff.ts';
import type { AgentClock, AgentIntervals } from './options.ts';
import type { Troubles } from './troubles.ts';
import { isAborted } from './turn.ts';

export type RetryDependencies = {
  readonly api: Api;
  readonly clock: AgentClock;
  readonly random: () => number;
  readonly intervals: AgentIntervals;
  readonly troubles: Troubles;
};

export type Failure = Exclude<Answer<unknown>, { kind: 'ok' }>;

/** 401 and 403: the token is missing or wrong; an admin must do something, so there is no hurry. */
export function isUnauthorized(answer: Failure): boolean {
  return answer.kind === 'refused' && (answer.status === 401 || answer.status === 403);
}

/** The allocator does not know this machine (any more). */
export function isUnknownVm(answer: Failure): boolean {
  return answer.kind === 'refused' && answer.status === 404;
}

/** The allocator has understood, and said no: asking again would not change it. */
export function isFinal(answer: Failure): answer is Refusal {
  if (answer.kind === 'unreachable' || isUnauthorized(answer)) return false;
  return answer.status >= 400 && answer.status < 500 && !TRANSIENT.has(answer.status);
}

/** 408, 425 and 429 ask for patience, not for another request. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429]);

/** Milliseconds to wait after a failure; `attempt` counts the failures before it. */
export function delayAfter(answer: Failure, attempt: number, dependencies: RetryDependencies): number {
  const { intervals, random } = dependencies;
  if (isUnauthorized(answer)) return atLeastMs(intervals.refusedMs, random());
  const backoff = backoffMs(attempt, intervals, random());
  const asked = answer.kind === 'refused' ? answer.retryAfterMs : null;
  return asked === null ? backoff : Math.max(backoff, atLeastMs(asked, random()));
}

/** The failure in a sentence, for whoever reads the agent's log. */
export function sentenceOf(answer: Failure): string {
  if (answer.kind === 'unreachable') return `the allocator cannot be reached: ${answer.reason}`;
  if (isUnauthorized(answer)) {
    return `the allocator refuses this machine's token (${answer.status}): ${answer.detail} Check API_TOKEN and VM_NAME.`;
  }
  return `the allocator answered ${answer.status}: ${answer.detail}`;
}

/**
 * Asks until it is answered: with data, or with a final refusal. Null = told to stop before that.
 *
 * @param what begins the sentence in the log: "reporting the status"
 */
export async function untilAnswered<T>(
  dependencies: RetryDependencies,
  what: string,
  send: Send<T>,
  signal: AbortSignal,
): Promise<{ readonly kind: 'ok'; readonly data: T } | Refusal | null> {
  for (let attempt = 0; ; attempt++) {
    const answer = await dependencies.api.ask(send, signal);
    if (answer.kind === 'ok') dependencies.troubles.over(what);
    if (answer.kind === 'ok' || isFinal(answer)) return answer;
    if (isAborted(signal)) return null;
    dependencies.troubles.tell(what, sentenceOf(answer));
    await dependencies.clock.sleep(delayAfter(answer, attempt, dependencies), signal);
    if (isAborted(signal)) return null;
  }
}

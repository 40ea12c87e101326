// The participants of a run: each loads the start page for its cookie, asks with the form until it has a machine, and writes
// down every answer.
import { setTimeout as delay } from 'node:timers/promises';
import { isAborted, sleep } from '../../src/async/abort.ts';
import { asForm, createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import type { Draw } from '../support/draw.ts';

/** An answer to the form, with the time of this computer before it was sent and after it came. */
export type FormAnswer = {
  readonly email: string;
  readonly sentAt: number;
  readonly answeredAt: number;
} & (
  | { readonly kind: 'given'; readonly hostname: string; readonly pin: string; readonly assignmentId: string }
  /** A refusal of the contract, by its code. */
  | { readonly kind: 'refused'; readonly code: string }
);

/**
 * `impatient`: closes the page while it loads, and comes back. `double`: sends the form twice at once. `new command`: pastes
 * another command later.
 */
type Habit = 'plain' | 'impatient' | 'double' | 'new command';
const HABITS: readonly [Habit, ...Habit[]] = ['plain', 'plain', 'impatient', 'double', 'new command'];

export type Participant = {
  readonly email: string;
  readonly answers: readonly FormAnswer[];
  /** The code of the command that was sent last. */
  readonly code: string;
  /** Asks until it has a machine, or the signal is aborted. */
  readonly join: (afterMs: number, signal: AbortSignal) => Promise<void>;
  /** Opens the page again, and pastes a new command where an admin has moved it. */
  readonly comeBack: (signal: AbortSignal) => Promise<void>;
};

const REQUEST_MS = 4_000;
const AGAIN_MS = 250;
const IMPATIENT_MS = 150;

/** @param url of the balancer */
export function createParticipant(url: string, email: string, draw: Draw): Participant {
  const habit = draw.oneOf(HABITS);
  const patienceMs = draw.below(IMPATIENT_MS);
  const client = clientWithCookie(url);
  const answers: FormAnswer[] = [];
  let commands = 1;
  const codeOf = (number: number): string => `4/0A${email.replace(/[^a-z0-9]/g, '')}-${number}`;

  /** Null: no answer, or one that asks to come back later. */
  async function send(signal: AbortSignal): Promise<FormAnswer | null> {
    const sentAt = Date.now();
    const body = { email, crd_command: `start-host --code="${codeOf(commands)}"` };
    const answer = await client.api
      .POST('/api/request_vm', { body, ...asForm, signal: withLimit(signal) })
      .catch(() => null);
    if (!answer || answer.response.status === 503) return null;
    const known = { email, sentAt, answeredAt: Date.now() };
    const { data, error, response } = answer;
    const result: FormAnswer =
      typeof data === 'object'
        ? {
            ...known,
            kind: 'given',
            hostname: data.hostname,
            pin: data.pin,
            assignmentId: data.assignment_id,
          }
        : { ...known, kind: 'refused', code: codeOfProblem(error) ?? `status ${response.status}` };
    answers.push(result);
    return result;
  }

  async function openStartPage(signal: AbortSignal): Promise<void> {
    while (!isAborted(signal) && !client.hasCookie()) {
      await client.api.GET('/', { signal: withLimit(signal), parseAs: 'text' }).catch(() => null);
      if (!client.hasCookie()) await sleep(AGAIN_MS, signal);
    }
  }

  async function ask(signal: AbortSignal): Promise<Extract<FormAnswer, { kind: 'given' }> | null> {
    while (!isAborted(signal)) {
      const [answer] = await Promise.all([send(signal), ...(habit === 'double' ? [send(signal)] : [])]);
      if (answer?.kind === 'given') return answer;
      await sleep(AGAIN_MS, signal);
    }
    return null;
  }

  /** Whether an admin has moved it and its command is used up, as its page says. */
  async function needsCommand(id: string, signal: AbortSignal): Promise<boolean> {
    while (!isAborted(signal)) {
      const params = { path: { id } };
      const answer = await client.api
        .GET('/api/v1/assignments/{id}', { params, signal: withLimit(signal) })
        .catch(() => null);
      if (answer?.data) return answer.data.reassigned_at !== null;
      await sleep(AGAIN_MS, signal);
    }
    return false;
  }

  return {
    email,
    answers,
    get code() {
      return codeOf(commands);
    },
    join: async (afterMs, signal) => {
      await sleep(afterMs, signal);
      await openStartPage(signal);
      if (habit === 'impatient') await send(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
      const given = await ask(signal);
      if (habit !== 'new command' || given === null) return;
      await sleep(AGAIN_MS * 4, signal);
      commands += 1;
      await ask(signal);
    },
    comeBack: async (signal) => {
      await openStartPage(signal);
      const given = await ask(signal);
      if (given === null || !(await needsCommand(given.assignmentId, signal))) return;
      commands += 1;
      await ask(signal);
    },
  };
}

function withLimit(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]);
}

function codeOfProblem(error: unknown): string | null {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : null;
}

/** The SDK as a browser uses it. */
function clientWithCookie(url: string): { readonly api: LablinkClient; readonly hasCookie: () => boolean } {
  let cookie: string | null = null;
  const api = createLablinkClient({
    baseUrl: url,
    fetch: async (request) => {
      if (cookie !== null) request.headers.set('Cookie', cookie);
      const response = await fetch(request);
      cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie;
      return response;
    },
  });
  return { api, hasCookie: () => cookie !== null };
}

/** Everybody who has no machine goes on asking; resolves when nobody asks any more. */
export async function comeBackAll(participants: readonly Participant[], signal: AbortSignal): Promise<void> {
  await Promise.all(participants.map((participant) => participant.comeBack(signal)));
  await delay(0);
}

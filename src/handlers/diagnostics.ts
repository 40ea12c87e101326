// How a proxy in front passes requests on: `lablink doctor --public` asks from outside.
import { sleep } from '../async/abort.ts';
import type { HandlersOf, ServerSentEvent } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import { json } from './replies.ts';

export type DiagnosticsDependencies = {
  readonly publicUrl: string | undefined;
  readonly secureCookies: boolean;
  readonly trustsProxy: boolean;
  /** Null: polls have no end. */
  readonly pollMaxSeconds: number | null;
};

/** An admin needs one. */
const HELD_AT_ONCE = 5;
const TEST_EVENTS = 3;
const BETWEEN_EVENTS_MS = 500;

export function createDiagnosticsHandlers({
  publicUrl,
  secureCookies,
  trustsProxy,
  pollMaxSeconds,
}: DiagnosticsDependencies): HandlersOf<'diagnostics'> {
  let held = 0;
  return {
    describeConnection: ({ address, arrivedBy }) =>
      json({
        address,
        peer: arrivedBy.peer,
        protocol: arrivedBy.protocol,
        host: arrivedBy.host,
        forwarded_for: arrivedBy.forwardedFor,
        forwarded_proto: arrivedBy.forwardedProto,
        forwarded_host: arrivedBy.forwardedHost,
        trusts_proxy: trustsProxy,
        public_url: publicUrl ?? null,
        secure_cookies: secureCookies,
      }),
    holdPoll: async ({ body: { seconds }, signal }) => {
      if (held >= HELD_AT_ONCE) return problem('overloaded');
      held += 1;
      await sleep(1_000 * Math.min(seconds, pollMaxSeconds ?? seconds), signal);
      held -= 1;
      return json({ seconds });
    },
    streamTestEvents: ({ signal }) => ({
      status: 200,
      type: 'text/event-stream',
      body: testEvents(signal),
    }),
    measureBody: ({ body }) => json({ characters: body.filler.length }),
  };
}

async function* testEvents(signal: AbortSignal): AsyncGenerator<ServerSentEvent, void> {
  for (let number = 1; number <= TEST_EVENTS && !signal.aborted; number += 1) {
    if (number > 1) await sleep(BETWEEN_EVENTS_MS, signal);
    yield { event: 'test', data: { number, sent_at_ms: Date.now() } };
  }
}

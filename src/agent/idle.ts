// A fetch that notices a dead connection: nothing came for too long, not even a keep-alive space.
import type { AgentClock } from './options.ts';

type Fetch = (request: Request) => Promise<Response>;

/** As `fetch`, cut when no byte came for `idleMs`: before the head of the answer, or within its body. */
export function watchIdle(fetch: Fetch, clock: AgentClock, idleMs: number): Fetch {
  return async (request) => {
    const dead = new AbortController();
    const timer = startTimer(clock, idleMs, () => {
      dead.abort(new Error(`nothing came for ${idleMs / 1_000} s: the connection is dead`));
    });
    try {
      const signal = AbortSignal.any([request.signal, dead.signal]);
      const response = await fetch(new Request(request, { signal }));
      timer.reset();
      const body = response.body && ReadableStream.from(watched(response.body, timer));
      if (!body) timer.stop();
      return new Response(body, { status: response.status, headers: response.headers });
    } catch (error) {
      timer.stop();
      throw error;
    }
  };
}

type Timer = { reset(): void; stop(): void };

function startTimer(clock: AgentClock, ms: number, onEnd: () => void): Timer {
  let current = new AbortController();
  const start = () => {
    current = new AbortController();
    const { signal } = current;
    void clock.sleep(ms, signal).then(() => {
      if (!signal.aborted) onEnd();
    });
  };
  start();
  return {
    reset: () => {
      current.abort();
      start();
    },
    stop: () => current.abort(),
  };
}

async function* watched(body: AsyncIterable<Uint8Array>, timer: Timer): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      timer.reset();
      yield chunk;
    }
  } finally {
    timer.stop();
  }
}

// A fetch that notices a dead connection: nothing came for too long, not even a keep-alive space.
import type { AgentClock } from './options.ts';

type Fetch = (request: Request) => Promise<Response>;

/**
 * As `fetch`, cut when no byte came for `idleMs`: before the head of the answer, or within its body.
 *
 * @param onAccepted told when the head of an answer of success has come
 */
export function watchIdle(fetch: Fetch, clock: AgentClock, idleMs: number, onAccepted: () => void): Fetch {
  return async (request) => {
    const dead = new AbortController();
    const timer = startTimer(clock, idleMs, () => {
      dead.abort(new Error(`nothing came for ${idleMs / 1_000} s: the connection is dead`));
    });
    const watchedRequest = new Request(request, { signal: AbortSignal.any([request.signal, dead.signal]) });
    // A request that is collected as garbage does not pass on that it was aborted: both live as long as the answer.
    const held = new Set([request, watchedRequest]);
    const end = () => {
      timer.stop();
      held.clear();
    };
    try {
      const response = await fetch(watchedRequest);
      timer.reset();
      if (response.ok && isJson(response)) onAccepted();
      const body = response.body && ReadableStream.from(watched(response.body, timer.reset, end));
      if (!body) end();
      return new Response(body, { status: response.status, headers: response.headers });
    } catch (error) {
      end();
      throw error;
    }
  };
}

/** A portal on the way answers with a page. */
function isJson(response: Response): boolean {
  return response.headers.get('Content-Type')?.startsWith('application/json') === true;
}

type Timer = { readonly reset: () => void; readonly stop: () => void };

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

async function* watched(
  body: AsyncIterable<Uint8Array>,
  onChunk: () => void,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      onChunk();
      yield chunk;
    }
  } finally {
    onEnd();
  }
}

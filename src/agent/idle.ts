// A fetch that notices a dead connection: nothing came for too long, not even a keep-alive space.

type Fetch = (request: Request) => Promise<Response>;

/**
 * Like `fetch`, but aborted when no byte came for `idleMs`, before or within the body of the answer.
 *
 * @param onAccepted called when the head of a successful answer has come
 */
export function watchIdle(fetch: Fetch, idleMs: number, onAccepted: () => void): Fetch {
  return async (request) => {
    const dead = new AbortController();
    const timer = setTimeout(() => {
      dead.abort(new Error(`nothing came for ${idleMs / 1_000} s, so the connection is dead`));
    }, idleMs);
    const watched = new Request(request, { signal: AbortSignal.any([request.signal, dead.signal]) });
    // A request that is garbage-collected does not pass on that it was aborted: both live as long as the answer.
    const held = new Set([request, watched]);
    const end = (): void => {
      clearTimeout(timer);
      held.clear();
    };
    try {
      const response = await fetch(watched);
      timer.refresh();
      if (response.ok && isJson(response)) onAccepted();
      const { status, headers } = response;
      if (!response.body) end();
      const body = response.body && ReadableStream.from(watchBody(response.body, timer, end));
      return new Response(body, { status, headers });
    } catch (error) {
      end();
      throw error;
    }
  };
}

/** A captive portal answers with a page. */
function isJson(response: Response): boolean {
  return response.headers.get('Content-Type')?.startsWith('application/json') === true;
}

async function* watchBody(
  body: AsyncIterable<Uint8Array>,
  timer: NodeJS.Timeout,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      timer.refresh();
      yield chunk;
    }
  } finally {
    onEnd();
  }
}

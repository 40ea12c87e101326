// Reads server-sent events like a browser, but does not reconnect.

type ReceivedEvent = { readonly event: string; readonly id: string; readonly data: unknown };

export type EventReader = AsyncDisposable & {
  readonly status: number;
  /** The next event; null at the end of the stream. Heartbeats are skipped. */
  readonly next: () => Promise<ReceivedEvent | null>;
  /** The events up to and including the first one that matches; throws at the end of the stream. */
  readonly until: (isLast: (event: ReceivedEvent) => boolean) => Promise<ReceivedEvent[]>;
};

export async function readEvents(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<EventReader> {
  const controller = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: signal ? AbortSignal.any([signal, controller.signal]) : controller.signal,
  });
  const blocks = splitBlocks(response);
  let lastId = '';
  const next = async (): Promise<ReceivedEvent | null> => {
    for (;;) {
      const { value, done } = await blocks.next();
      if (done === true) return null;
      const fields = new Map(value.split('\n').map((line) => splitField(line)));
      lastId = fields.get('id') ?? lastId;
      const data = fields.get('data');
      if (data !== undefined)
        return { event: fields.get('event') ?? 'message', id: lastId, data: JSON.parse(data) as unknown };
    }
  };
  return {
    status: response.status,
    next,
    until: async (isLast) => {
      const events: ReceivedEvent[] = [];
      for (;;) {
        const event = await next();
        if (event === null) throw new Error(`the stream ended after ${JSON.stringify(events)}`);
        events.push(event);
        if (isLast(event)) return events;
      }
    },
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await blocks.return(undefined).catch(() => undefined);
    },
  };
}

/** Holds the response until it is read: when a response is collected, its body ends. */
async function* splitBlocks(response: Response): AsyncGenerator<string, void> {
  const body: ReadableStream<Uint8Array> = response.body ?? new ReadableStream();
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    yield* blocks;
  }
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
}

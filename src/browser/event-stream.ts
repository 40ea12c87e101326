// Follows an event stream of the server over broken connections: each continues after the last event that came. A browser opens
// six connections to a server, for all its tabs: nobody's stream runs in a tab that is hidden, and visible ones take turns.
import { showConnection } from './connection.ts';

const RETRY_MS = 3_000;
/** Streams at once in all tabs together; the other connections are for pages and answers. */
const PLACES = ['lablink-stream-1', 'lablink-stream-2', 'lablink-stream-3'] as const;
/** A stream whose place others wait for gives it up after this long. */
const TURN_MS = 3_000;

/** Event name → what is done with its data. */
export type Handlers = Readonly<Record<string, (data: string) => void>>;

/**
 * Opens the stream at this address, whose parameter `after` moves on with what was received.
 * Returns a function that closes it.
 */
export function followStream(address: string, handlers: Handlers): () => void {
  let last: string | null = null;
  let isAway = false;
  let turn: AbortController | null = null;

  /** Follows the stream until the place is given up. */
  async function follow(signal: AbortSignal, isOver: () => Promise<boolean>): Promise<void> {
    let timer = 0;
    const held: { stream: EventSource | null } = { stream: null };
    const onError = (): void => {
      showConnection(false);
      // The browser reconnects by itself, unless the server refused.
      if (held.stream?.readyState === EventSource.CLOSED) timer = setTimeout(reopen, RETRY_MS);
    };
    function reopen(): void {
      held.stream = openStream(continuing(address, last), handlers, (id) => (last = id));
      held.stream.onerror = onError;
    }
    reopen();
    do await passed(TURN_MS, signal);
    while (!signal.aborted && !(await isOver()));
    clearTimeout(timer);
    held.stream?.close();
  }

  function update(): void {
    const isWanted = !document.hidden && !isAway;
    if (!isWanted) turn?.abort();
    if (!isWanted || turn !== null) return;
    const own = new AbortController();
    turn = own;
    void takeTurn(own.signal, (isOver) => follow(own.signal, isOver)).then(() => {
      turn = null;
      update();
    });
  }

  const leave = (): void => {
    isAway = true;
    update();
  };
  /** Also back from the browser's cache: the page is as the reader left it, and continues. */
  const comeBack = (): void => {
    isAway = false;
    update();
  };
  addEventListener('pagehide', leave);
  addEventListener('pageshow', comeBack);
  document.addEventListener('visibilitychange', update);
  update();
  return () => {
    removeEventListener('pagehide', leave);
    removeEventListener('pageshow', comeBack);
    document.removeEventListener('visibilitychange', update);
    leave();
  };
}

function openStream(address: string, handlers: Handlers, onId: (id: string) => void): EventSource {
  const opened = new EventSource(address);
  for (const [name, handle] of Object.entries(handlers)) {
    opened.addEventListener(name, (event: MessageEvent<string>) => {
      if (event.lastEventId !== '') onId(event.lastEventId);
      handle(event.data);
    });
  }
  opened.onopen = () => showConnection(true);
  return opened;
}

type Work = (isOver: () => Promise<boolean>) => Promise<void>;

/** Works while a place is held; `isOver` says that others wait for it. Browsers have such locks only on https and localhost. */
async function takeTurn(signal: AbortSignal, work: Work): Promise<void> {
  if (!('locks' in navigator)) return work(() => Promise.resolve(false));
  const { locks } = navigator;
  const hold = (place: string): Promise<void> =>
    work(async () => (await locks.query()).pending?.some(({ name }) => name === place) === true);
  for (const place of PLACES) {
    const isHeld = await locks.request(place, { ifAvailable: true }, async (lock) => {
      if (lock !== null && !signal.aborted) await hold(place);
      return lock !== null;
    });
    if (isHeld || signal.aborted) return;
  }
  const place = PLACES[Math.floor(Math.random() * PLACES.length)] ?? PLACES[0];
  // Rejects when the signal is aborted.
  await locks.request(place, { signal }, () => hold(place)).catch(() => undefined);
}

/** Resolves after this time, or when the signal is aborted. */
function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    const timer = setTimeout(resolve, ms);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}

function continuing(address: string, last: string | null): string {
  const url = new URL(address, location.href);
  if (last !== null) url.searchParams.set('after', last);
  return url.pathname + url.search;
}

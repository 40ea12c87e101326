// Follows a stream of the server, over broken connections: what was sent is never asked for again.
import { showConnection } from './connection.js';

const RETRY_MS = 3_000;

/**
 * @param address where the stream begins; an `after` in it is moved on
 * @param handlers event name → what is done with its data
 * @returns ends it
 */
export function followStream(address, handlers) {
  let stream = null;
  let timer = 0;
  let last = null;
  let isOver = false;

  function open() {
    stream = new EventSource(continuing(address, last));
    for (const [name, handle] of Object.entries(handlers)) {
      stream.addEventListener(name, (event) => {
        if (event.lastEventId !== '') last = event.lastEventId;
        handle(JSON.parse(event.data));
      });
    }
    stream.onopen = () => showConnection(true);
    stream.onerror = () => {
      if (isOver) return;
      showConnection(false);
      // The browser comes again by itself, unless the server refused.
      if (stream.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MS);
    };
  }

  function end() {
    isOver = true;
    clearTimeout(timer);
    stream.close();
  }

  open();
  addEventListener('pagehide', end, { once: true });
  // Back from the browser's own cache: the page is as it was left, and goes on.
  addEventListener('pageshow', (event) => {
    if (!event.persisted || !isOver) return;
    isOver = false;
    open();
    addEventListener('pagehide', end, { once: true });
  });
  return end;
}

function continuing(address, last) {
  const url = new URL(address, location.href);
  if (last !== null) url.searchParams.set('after', last);
  return url.pathname + url.search;
}

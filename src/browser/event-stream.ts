// Follows an event stream of the server over broken connections: each continues after the last event that came.
import { showConnection } from './connection.ts';

const RETRY_MS = 3_000;

/** Event name → what is done with its data. */
export type Handlers = Readonly<Record<string, (data: string) => void>>;

/**
 * Opens the stream at this address, whose parameter `after` moves on with what was received.
 * Returns a function that closes it.
 */
export function followStream(address: string, handlers: Handlers): () => void {
  let timer = 0;
  let last: string | null = null;
  let stream = open();

  function open(): EventSource {
    const opened = new EventSource(continuing(address, last));
    for (const [name, handle] of Object.entries(handlers)) {
      opened.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId !== '') last = event.lastEventId;
        handle(event.data);
      });
    }
    opened.onopen = () => showConnection(true);
    opened.onerror = () => {
      showConnection(false);
      // The browser reconnects by itself, unless the server refused.
      if (opened.readyState === EventSource.CLOSED) timer = setTimeout(reopen, RETRY_MS);
    };
    return opened;
  }

  function reopen(): void {
    close();
    stream = open();
  }

  function close(): void {
    clearTimeout(timer);
    stream.onerror = null;
    stream.close();
  }

  const onShow = (event: PageTransitionEvent) => {
    // Back from the browser's cache: the page is as the reader left it, and continues.
    if (event.persisted) reopen();
  };
  addEventListener('pagehide', close);
  addEventListener('pageshow', onShow);
  return () => {
    close();
    removeEventListener('pagehide', close);
    removeEventListener('pageshow', onShow);
  };
}

function continuing(address: string, last: string | null): string {
  const url = new URL(address, location.href);
  if (last !== null) url.searchParams.set('after', last);
  return url.pathname + url.search;
}

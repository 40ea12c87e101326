// Where the reader was in a table whose rows arrive after the page: going back to it, or loading it again, shows the same
// row at the same height. The browser alone would scroll to a pixel of the page as it was sent, where rows that are out of
// sight have a guessed height.

type Position = { readonly hostname: string; readonly top: number };

type Entries = ReadonlyMap<string, { readonly row: HTMLElement }>;

/** `entries`: by hostname. Returns a function to call when all rows are there. */
export function keepScrollPosition(entries: Entries): () => void {
  const [navigation] = performance.getEntriesByType('navigation');
  const isVisit = !(navigation instanceof PerformanceNavigationTiming) || navigation.type === 'navigate';
  let kept = isVisit ? null : read();
  history.scrollRestoration = 'manual';
  addEventListener('pagehide', () => write(kept ?? positionIn(entries)));
  return () => {
    const row = kept && entries.get(kept.hostname)?.row;
    // A reader who has scrolled meanwhile stays there.
    if (kept && row && scrollY === 0) {
      row.scrollIntoView({ block: 'start', behavior: 'instant' });
      scrollBy({ top: -kept.top, behavior: 'instant' });
    }
    kept = null;
  };
}

/** The first row in sight; null at the top of the page. */
function positionIn(entries: Entries): Position | null {
  if (scrollY === 0) return null;
  const [first] = [...entries]
    .filter(([, { row }]) => !row.hidden)
    .map(([hostname, { row }]) => ({ hostname, rectangle: row.getBoundingClientRect() }))
    .filter(({ rectangle }) => rectangle.bottom > 0)
    .sort((one, other) => one.rectangle.top - other.rectangle.top);
  return first ? { hostname: first.hostname, top: first.rectangle.top } : null;
}

/** Another search has another position. */
function key(): string {
  return `position:${location.pathname}${location.search}`;
}

function read(): Position | null {
  try {
    const [top, ...hostname] = (sessionStorage.getItem(key()) ?? '').split(' ');
    return hostname.length === 0 ? null : { hostname: hostname.join(' '), top: Number(top) };
  } catch {
    return null;
  }
}

function write(position: Position | null): void {
  try {
    if (position === null) sessionStorage.removeItem(key());
    else sessionStorage.setItem(key(), `${position.top} ${position.hostname}`);
  } catch {
    // Storage is switched off: the page begins at its top.
  }
}

// The place in a table whose rows follow the page: who goes back to it, or loads it again, finds the row at which they were
// where it was. The browser alone would look for its place in the page as it came, and in pixels, though rows out of sight
// have a height that is guessed.

/** `rows`: hostname → row. Returns what is called when all rows are there. */
export function keepPlace(rows) {
  const isVisit = (performance.getEntriesByType('navigation')[0]?.type ?? 'navigate') === 'navigate';
  let wasAt = isVisit ? null : read();
  history.scrollRestoration = 'manual';
  addEventListener('pagehide', () => write(wasAt ?? placeIn(rows)));
  return () => {
    const row = rows.get(wasAt?.hostname);
    // Who has scrolled meanwhile has another place by now.
    if (row && scrollY === 0) {
      row.scrollIntoView({ block: 'start', behavior: 'instant' });
      scrollBy({ top: -wasAt.top, behavior: 'instant' });
    }
    wasAt = null;
  };
}

/** The first row that is seen, and where; null at the top of the page. */
function placeIn(rows) {
  if (scrollY === 0) return null;
  const seen = [...rows.values()]
    .filter((row) => !row.hidden)
    .map((row) => ({ hostname: row.dataset.hostname, ...row.getBoundingClientRect().toJSON() }))
    .filter(({ bottom }) => bottom > 0)
    .sort((one, other) => one.top - other.top)[0];
  return seen ? { hostname: seen.hostname, top: seen.top } : null;
}

/** What is searched and shown belongs to the place. */
function name() {
  return `place:${location.pathname}${location.search}`;
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(name()));
  } catch {
    return null;
  }
}

function write(place) {
  try {
    sessionStorage.setItem(name(), JSON.stringify(place));
  } catch {
    // Storage is switched off: the page begins at its top.
  }
}

// The place in a page whose rows follow it: who goes back to it, or loads it again, is where they were once the rows are
// there. The browser alone would look for that place in the page as it came.
const NAME = `place:${location.pathname}`;

/** Of a page that is not whole yet. Returns what is called when it is. */
export function keepPlace() {
  const [{ type }] = performance.getEntriesByType('navigation');
  const wasAt = type === 'navigate' ? 0 : Number(read());
  history.scrollRestoration = 'manual';
  addEventListener('pagehide', () => write(scrollY));
  return () => {
    // Who has scrolled meanwhile has another place by now.
    if (wasAt > 0 && scrollY === 0) scrollTo({ top: wasAt, behavior: 'instant' });
  };
}

function read() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

function write(top) {
  try {
    sessionStorage.setItem(NAME, String(top));
  } catch {
    // A browser that keeps nothing: the page begins at its top.
  }
}

// The bar that says whether the server can be reached. It lies over the page's foot, so that nothing moves.
const bar = document.querySelector('[data-connection]');
const BACK_SHOWN_MS = 4_000;
let timer = 0;

/** Once it was lost, its coming back is said too. */
export function showConnection(isThere) {
  if (isThere && (bar.hidden || bar.dataset.state === 'back')) return;
  clearTimeout(timer);
  bar.hidden = false;
  bar.dataset.state = isThere ? 'back' : 'lost';
  const text = isThere ? bar.dataset.back : bar.dataset.lost;
  if (bar.textContent !== text) bar.textContent = text;
  if (isThere) {
    timer = setTimeout(() => {
      bar.hidden = true;
    }, BACK_SHOWN_MS);
  }
}

/** Resolves when the time is over, or earlier when the browser is online again or the page is looked at again. */
export function pause(delayMs) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(waiting);
      removeEventListener('online', end);
      document.removeEventListener('visibilitychange', onVisible);
      resolve();
    };
    const onVisible = () => {
      if (!document.hidden) end();
    };
    const waiting = setTimeout(end, delayMs);
    addEventListener('online', end);
    document.addEventListener('visibilitychange', onVisible);
  });
}

/** Resolves at once where the page is looked at, else when it is again. */
export function untilVisible() {
  return document.hidden ? pause(2 ** 31 - 1) : Promise.resolve();
}

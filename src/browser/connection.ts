// The bar that says whether the server can be reached. It lies over the foot of the page, so that nothing moves.
import { dataOf, need, setText } from './dom.ts';

const bar = need(HTMLElement, '[data-connection]');
const BACK_SHOWN_MS = 4_000;
/** The longest that a browser's timer can wait. */
const FOR_EVER_MS = 2 ** 31 - 1;
let timer = 0;

/** Says that the connection is back only where it was lost before. */
export function showConnection(isThere: boolean): void {
  if (isThere && (bar.hidden || bar.dataset['state'] === 'back')) return;
  clearTimeout(timer);
  bar.hidden = false;
  bar.dataset['state'] = isThere ? 'back' : 'lost';
  setText(bar, dataOf(bar, isThere ? 'back' : 'lost'));
  if (isThere) {
    timer = setTimeout(() => {
      bar.hidden = true;
    }, BACK_SHOWN_MS);
  }
}

/** Resolves after this time, or earlier when the browser comes online or somebody looks at the page again. */
export function pause(delayMs: number): Promise<void> {
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

/** Resolves when somebody looks at the page. */
export async function untilVisible(): Promise<void> {
  if (document.hidden) await pause(FOR_EVER_MS);
}

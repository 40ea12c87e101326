// Looks at this browser for the page of what to try out before the workshop.
const CLOCK_TOLERANCE_MS = 5 * 60_000;
const LEAST_WIDTH_PX = 900;

const place = document.querySelector('[data-now]');
const looks = {
  cookies: () => navigator.cookieEnabled,
  video: () => typeof RTCPeerConnection === 'function',
  // The page itself may have lain around for a while: its age is taken off.
  clock: () => {
    const [page] = performance.getEntriesByType('navigation');
    const servedMs = performance.timeOrigin + (page?.responseStart ?? 0);
    return Math.abs(servedMs - Date.parse(place.dataset.now)) < CLOCK_TOLERANCE_MS;
  },
  window: () => Math.max(screen.width, screen.height) >= LEAST_WIDTH_PX,
};

for (const item of place.querySelectorAll('[data-result]')) {
  const isGood = looks[item.dataset.result]();
  item.dataset.step = isGood ? 'done' : 'wrong';
  const verdict = item.querySelector('[data-verdict]');
  verdict.textContent = isGood ? verdict.dataset.good : verdict.dataset.bad;
  item.querySelector('[data-text]').textContent = isGood ? item.dataset.good : item.dataset.bad;
}

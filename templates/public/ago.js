// How long ago something was, kept true while a page is looked at. The exact time is the title (times.js).
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** As src/pages/ago.ts says it. */
export function ago(timestamp, now = Date.now()) {
  const tookMs = now - Date.parse(timestamp);
  if (tookMs < 1_000) return 'just now';
  if (tookMs < MINUTE_MS) return `${Math.floor(tookMs / 1_000)} s ago`;
  if (tookMs < HOUR_MS) return `${Math.floor(tookMs / MINUTE_MS)} min ago`;
  if (tookMs < DAY_MS) return `${Math.floor(tookMs / HOUR_MS)} h ago`;
  return `${Math.floor(tookMs / DAY_MS)} d ago`;
}

/** Every `<time data-local="ago">` below this place. */
export function tellAgo(place, now = Date.now()) {
  for (const time of place.querySelectorAll('time[data-local="ago"]')) {
    const text = ago(time.dateTime, now);
    if (time.textContent !== text) time.textContent = text;
  }
}

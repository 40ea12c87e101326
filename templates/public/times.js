// Times as the reader's clock has them: how long ago, or the time of day in their zone. Without it the server's words stay.
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });

/** Tells every `<time data-ago>` and `<time data-clock>` below this. */
export function tellTimes(root, now = Date.now()) {
  for (const time of root.querySelectorAll('time[data-ago]')) tellAgo(time, now);
  for (const time of root.querySelectorAll('time[data-clock]')) {
    const at = new Date(time.dateTime);
    setText(time, clock.format(at));
    setTitle(time, time.dateTime);
  }
}

export function tellAgo(time, now = Date.now()) {
  setText(time, ago(time.dateTime, now));
  setTitle(time, clock.format(new Date(time.dateTime)));
}

export function ago(timestamp, now = Date.now()) {
  const tookMs = now - Date.parse(timestamp);
  if (tookMs < 1_000) return 'just now';
  if (tookMs < MINUTE_MS) return `${Math.floor(tookMs / 1_000)} s ago`;
  if (tookMs < HOUR_MS) return `${Math.floor(tookMs / MINUTE_MS)} min ago`;
  if (tookMs < DAY_MS) return `${Math.floor(tookMs / HOUR_MS)} h ago`;
  return `${Math.floor(tookMs / DAY_MS)} d ago`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setTitle(element, title) {
  if (element.title !== title) element.title = title;
}

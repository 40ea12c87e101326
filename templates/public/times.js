// Times in the reader's zone. Without JavaScript they stand in UTC, and say so. The exact one is made for who points at a
// time: for hundreds of them it would hold up the page.
const language = document.documentElement.lang;
const styles = {
  full: { dateStyle: 'medium', timeStyle: 'short' },
  clock: { timeStyle: 'medium' },
  exact: { dateStyle: 'full', timeStyle: 'long' },
};
const formats = {};

/** `25 Nov 2026, 09:14`, or as `clock` `09:14:05`. */
export function localTime(timestamp, format = 'full') {
  formats[format] ??= new Intl.DateTimeFormat(language, styles[format]);
  return formats[format].format(new Date(timestamp));
}

/** Every `<time data-local>` below this place; `data-local="clock"` is without its date, `"ago"` is spans.js's. */
export function localizeTimes(place) {
  for (const time of place.querySelectorAll('time[data-local]:not([data-local="ago"])'))
    time.textContent = localTime(time.dateTime, time.dataset.local || 'full');
}

document.addEventListener('pointerover', ({ target }) => {
  const time = target.closest?.('time[data-local]');
  if (time) time.title = localTime(time.dateTime, 'exact');
});

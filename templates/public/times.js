// Times in the reader's zone. Without JavaScript they stand in UTC, and say so.
const language = document.documentElement.lang;
const formats = {
  full: new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }),
  clock: new Intl.DateTimeFormat(language, { timeStyle: 'medium' }),
};
const exact = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'long' });

/** `25 Nov 2026, 09:14`, or as `clock` `09:14:05`. */
export function localTime(timestamp, format = 'full') {
  return formats[format].format(new Date(timestamp));
}

/** Every `<time data-local>` below this place; `data-local="clock"` is without its date. */
export function localizeTimes(place) {
  for (const time of place.querySelectorAll('time[data-local]')) {
    const { local } = time.dataset;
    if (local !== 'ago') time.textContent = localTime(time.dateTime, local || 'full');
    time.title = exact.format(new Date(time.dateTime));
  }
}

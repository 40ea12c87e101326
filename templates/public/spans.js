// Spans of time as src/pages/spans.ts says them, in the words that the page came with.
const words = JSON.parse(document.body.dataset.spans);
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** One digit after the point where it says something. */
export function sayNumber(value) {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** `41 s` */
export function say(count, unit) {
  return words[unit].replace('{n}', count);
}

/** `4 s`, `3 min 20 s`, `2 h 5 min` */
export function sayDuration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60)];
  if (minutes === 0) return say(seconds, 's');
  if (hours === 0) return both(say(minutes, 'min'), say(seconds % 60, 's'));
  return both(say(hours, 'h'), say(minutes % 60, 'min'));
}

/** `12 s ago`, `2 d ago`; what is ahead (clocks differ) is `just now`. */
export function ago(timestamp, now = Date.now()) {
  const seconds = Math.floor((now - Date.parse(timestamp)) / 1_000);
  if (seconds < 1) return words.now;
  const [unit, size] = UNITS.find(([, size]) => seconds >= size);
  return words.ago.replace('{span}', say(Math.floor(seconds / size), unit));
}

/** Every `<time data-local="ago">` below this place. */
export function tellAgo(place, now = Date.now()) {
  for (const time of place.querySelectorAll('time[data-local="ago"]')) {
    const text = ago(time.dateTime, now);
    if (time.textContent !== text) time.textContent = text;
  }
}

function both(one, other) {
  return words.both.replace('{one}', one).replace('{other}', other);
}

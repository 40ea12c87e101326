// Spans of time and numbers as text, for the server's pages and the browser. Pure.

export type Unit = 's' | 'min' | 'h' | 'd';

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** `3.4`, `41`: one digit after the point where it matters. */
export function sayNumber(value: number): string {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** `41 s`; a number and its unit stay on one line. */
export function say(count: number | string, unit: Unit): string {
  return `${count}\u00a0${unit}`;
}

/** `4 s`, `3 min 20 s`, `2 h 5 min` */
export function sayDuration(fromTimestamp: string, toTimestamp: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(toTimestamp) - Date.parse(fromTimestamp)) / 1_000));
  if (seconds < MINUTE_S) return say(seconds, 's');
  const minutes = Math.floor(seconds / MINUTE_S);
  if (seconds < HOUR_S) return `${say(minutes, 'min')} ${say(seconds % MINUTE_S, 's')}`;
  return `${say(Math.floor(seconds / HOUR_S), 'h')} ${say(minutes % 60, 'min')}`;
}

/** `in 2 h 5 min`, `40 min ago`, to the minute. */
export function sayUntil(timestamp: string, now: Date): string {
  const minutes = Math.round((Date.parse(timestamp) - now.getTime()) / (MINUTE_S * 1_000));
  const span = sayHours(Math.abs(minutes));
  return minutes >= 0 ? `in ${span}` : `${span} ago`;
}

/** `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; `just now` for a time ahead of `now` (clocks differ). */
export function ago(timestamp: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(timestamp)) / 1_000);
  return seconds < 1 ? 'just now' : `${sayLargest(seconds)} ago`;
}

function sayLargest(seconds: number): string {
  if (seconds < MINUTE_S) return say(seconds, 's');
  if (seconds < HOUR_S) return say(Math.floor(seconds / MINUTE_S), 'min');
  if (seconds < DAY_S) return say(Math.floor(seconds / HOUR_S), 'h');
  return say(Math.floor(seconds / DAY_S), 'd');
}

/** `40 min`, `2 h`, `2 h 5 min` */
function sayHours(minutes: number): string {
  if (minutes < 60) return say(minutes, 'min');
  const hours = say(Math.floor(minutes / 60), 'h');
  return minutes % 60 === 0 ? hours : `${hours} ${say(minutes % 60, 'min')}`;
}

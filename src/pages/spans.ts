// Spans of time as people say them, in the units of words/spans.ts. templates/public/spans.js says them the same way.
import { words } from './words.ts';

export type Unit = 's' | 'min' | 'h' | 'd';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** One digit after the point where it says something. */
export function sayNumber(value: number): string {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

/** `41 s` */
export function say(count: number | string, unit: Unit): string {
  return words.spans[unit].replace('{n}', String(count));
}

/** `4 s`, `3 min 20 s`, `2 h 5 min` */
export function sayDuration(fromTimestamp: string, toTimestamp: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(toTimestamp) - Date.parse(fromTimestamp)) / 1_000));
  if (seconds < MINUTE) return say(seconds, 's');
  if (seconds < HOUR) return both(say(Math.floor(seconds / MINUTE), 'min'), say(seconds % MINUTE, 's'));
  return both(say(Math.floor(seconds / HOUR), 'h'), say(Math.floor((seconds % HOUR) / MINUTE), 'min'));
}

/** `in 2 h 5 min`, `40 min ago`, to the minute. */
export function sayUntil(timestamp: string, now: Date): string {
  const minutes = Math.round((Date.parse(timestamp) - now.getTime()) / (MINUTE * 1_000));
  const span = sayHours(Math.abs(minutes));
  return (minutes >= 0 ? words.spans.ahead : words.spans.ago).replace('{span}', span);
}

/** `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; a time ahead of `now` (clocks differ) is `just now`. */
export function ago(timestamp: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(timestamp)) / 1_000);
  if (seconds < 1) return words.spans.now;
  return words.spans.ago.replace('{span}', sayLargest(seconds));
}

function sayLargest(seconds: number): string {
  if (seconds < MINUTE) return say(seconds, 's');
  if (seconds < HOUR) return say(Math.floor(seconds / MINUTE), 'min');
  if (seconds < DAY) return say(Math.floor(seconds / HOUR), 'h');
  return say(Math.floor(seconds / DAY), 'd');
}

/** `40 min`, `2 h`, `2 h 5 min` */
function sayHours(minutes: number): string {
  if (minutes < HOUR / MINUTE) return say(minutes, 'min');
  const hours = say(Math.floor((minutes * MINUTE) / HOUR), 'h');
  const rest = minutes % (HOUR / MINUTE);
  return rest === 0 ? hours : both(hours, say(rest, 'min'));
}

function both(one: string, other: string): string {
  return words.spans.both.replace('{one}', one).replace('{other}', other);
}

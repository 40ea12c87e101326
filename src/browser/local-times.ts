// Times in the reader's zone and ages that grow. Without JavaScript times stand in UTC. The exact time is only written when
// somebody points at it: for hundreds of times that would hold up the page.
import { ago } from '../pages/spans.ts';
import { findAll, setText } from './dom.ts';

const language = document.documentElement.lang;
const styles = {
  full: { dateStyle: 'medium', timeStyle: 'short' },
  clock: { timeStyle: 'medium' },
  exact: { dateStyle: 'full', timeStyle: 'long' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;
type Style = keyof typeof styles;
const formats = new Map<Style, Intl.DateTimeFormat>();

/** `25 Nov 2026, 09:14`; as `clock` `09:14:05`. */
export function localTime(timestamp: string, style: Style = 'full'): string {
  const format = formats.get(style) ?? new Intl.DateTimeFormat(language, styles[style]);
  formats.set(style, format);
  return format.format(new Date(timestamp));
}

/** Every `<time data-local>` and `<time data-local="clock">` below this element. */
export function localizeTimes(root: ParentNode): void {
  for (const time of findAll(HTMLTimeElement, 'time[data-local]:not([data-local="ago"])', root))
    time.textContent = localTime(time.dateTime, time.dataset['local'] === 'clock' ? 'clock' : 'full');
}

/** Every `<time data-local="ago">` below this element. */
export function updateAges(root: ParentNode, now: Date = new Date()): void {
  for (const time of findAll(HTMLTimeElement, 'time[data-local="ago"]', root))
    setText(time, ago(time.dateTime, now));
}

/** The exact time is the title of a time that somebody points at. */
export function enableExactTimes(): void {
  document.addEventListener('pointerover', ({ target }) => {
    const time = target instanceof Element ? target.closest('time[data-local]') : null;
    if (time instanceof HTMLTimeElement) time.title = localTime(time.dateTime, 'exact');
  });
}

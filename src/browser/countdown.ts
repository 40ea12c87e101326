// The wait before the next try: counts down where the page has a line for it, and announces only the end.
import { sayDuration } from '../pages/spans.ts';
import { announce } from './announce.ts';
import { dataOf, find, need, setText } from './dom.ts';

const TICK_MS = 1_000;

export function enableCountdown(): void {
  const line = find(HTMLElement, '[data-countdown]');
  if (!line) return;
  const end = Date.now() + Number(dataOf(line, 'countdown')) * 1_000;
  const left = need(HTMLElement, '[data-left]', line);
  const tick = (): void => {
    const now = Date.now();
    if (now >= end) {
      clearInterval(timer);
      line.textContent = dataOf(line, 'over');
      announce(line.textContent);
    } else {
      setText(left, sayDuration(new Date(now).toISOString(), new Date(end).toISOString()));
    }
  };
  const timer = setInterval(tick, TICK_MS);
  tick();
  line.hidden = false;
}

// Announces something to screen readers, politely.
import { need } from './dom.ts';

const announcer = need(HTMLElement, '[data-announcer]');

export function announce(text: string): void {
  announcer.textContent = '';
  // A screen reader announces the same text again only where it was empty for a frame.
  requestAnimationFrame(() => {
    announcer.textContent = text;
  });
}

// The page of the schedule: a new plan begins with the reader's time zone.
import { find } from '../dom.ts';

const zone = find(HTMLInputElement, 'input[data-own-zone]');
if (zone) zone.value = new Intl.DateTimeFormat().resolvedOptions().timeZone;
find(HTMLElement, '#errors')?.focus();

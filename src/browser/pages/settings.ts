// The settings page: times are shown and typed in the reader's zone, and sent in UTC.
import { find, findAll, setText } from '../dom.ts';

const MINUTE_CHARACTERS = 'YYYY-MM-DDTHH:MM'.length;
const MINUTE_MS = 60_000;

const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const hint of findAll(HTMLElement, '[data-zone]')) setText(hint, `In your time zone, ${zone}.`);
for (const field of findAll(HTMLInputElement, 'input[data-utc]')) enable(field);
find(HTMLElement, '#errors')?.focus();

/** The field that is sent stands beside the one that is shown. */
function enable(field: HTMLInputElement): void {
  const sent = document.createElement('input');
  sent.type = 'hidden';
  sent.name = field.name;
  sent.value = field.value;
  field.removeAttribute('name');
  field.value = toLocal(field.value);
  field.after(sent);
  field.addEventListener('input', () => (sent.value = toUtc(field.value)));
}

function toLocal(utc: string): string {
  const at = new Date(`${utc}Z`);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * MINUTE_MS)
    .toISOString()
    .slice(0, MINUTE_CHARACTERS);
}

/** A time without a zone is one of the reader's. */
function toUtc(local: string): string {
  const at = new Date(local);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString().slice(0, MINUTE_CHARACTERS);
}

// What was typed into the form, kept as long as this tab lives: an answer that was lost on the way does not lose it.
import { findAll } from './dom.ts';

const KEY = 'lablink-draft';
/** Every field of the form; the PIN is not kept. */
const FIELDS = 'form[data-request] [name]:not([data-draft="off"])';
type Field = HTMLInputElement | HTMLTextAreaElement;

export function keepDraft(): void {
  const fields: Field[] = [...findAll(HTMLInputElement, FIELDS), ...findAll(HTMLTextAreaElement, FIELDS)];
  const draft = read();
  for (const field of fields) {
    const kept = draft.get(field.id);
    if (field.value === '' && kept !== null) field.value = kept;
    field.addEventListener('input', () =>
      write(new URLSearchParams(fields.map(({ id, value }) => [id, value]))),
    );
  }
}

export function forgetDraft(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Storage is switched off: then nothing was kept.
  }
}

function read(): URLSearchParams {
  try {
    return new URLSearchParams(sessionStorage.getItem(KEY) ?? '');
  } catch {
    return new URLSearchParams();
  }
}

function write(draft: URLSearchParams): void {
  try {
    sessionStorage.setItem(KEY, draft.toString());
  } catch {
    // Storage is switched off: the form works without.
  }
}

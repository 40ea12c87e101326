// What was typed into the form, for as long as this tab lives: an answer that was lost on the way does not take it along.
const KEY = 'lablink-draft';
const FIELDS = ['email', 'crd-command'];

export function keepDraft() {
  const fields = FIELDS.map((id) => document.getElementById(id));
  const draft = read();
  for (const field of fields) {
    if (field.value === '' && typeof draft[field.id] === 'string') field.value = draft[field.id];
    field.addEventListener('input', () =>
      write(Object.fromEntries(fields.map(({ id, value }) => [id, value]))),
    );
  }
}

export function forgetDraft() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Storage is switched off: then nothing was kept.
  }
}

function read() {
  try {
    const draft = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    return typeof draft === 'object' && draft !== null ? draft : {};
  } catch {
    return {};
  }
}

function write(draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Storage is switched off: the form works without.
  }
}

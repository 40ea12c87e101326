// The page of the schedule: a new plan begins with the reader's time zone, and only the fields of the chosen kind can be filled in and are sent.
import { find, findAll } from '../dom.ts';

const zone = find(HTMLInputElement, 'input[data-own-zone]');
if (zone) zone.value = new Intl.DateTimeFormat().resolvedOptions().timeZone;

const kinds = findAll(HTMLInputElement, '#plan [name="kind"]');
function showKind(): void {
  const chosen = kinds.find(({ checked }) => checked)?.value;
  for (const fields of findAll(HTMLFieldSetElement, '#plan [data-of]'))
    fields.disabled = fields.dataset['of'] !== chosen;
}
for (const kind of kinds) kind.addEventListener('change', showKind);
showKind();
find(HTMLElement, '#errors')?.focus();

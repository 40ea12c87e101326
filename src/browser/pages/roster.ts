// The list of participants: a file is read here, whatever its encoding, and its rows are put into the form.
import { decodeTable } from '../../vms/roster-text.ts';
import { find, findAll, need } from '../dom.ts';

for (const part of findAll(HTMLElement, '[data-file]')) {
  part.hidden = false;
  const input = need(HTMLInputElement, 'input[type="file"]', part);
  input.addEventListener('change', () => void read(input));
}
find(HTMLElement, '#errors')?.focus();

async function read({ files }: HTMLInputElement): Promise<void> {
  const [file] = files ?? [];
  if (!file) return;
  const rows = need(HTMLTextAreaElement, '#csv');
  rows.value = decodeTable(new Uint8Array(await file.arrayBuffer()));
  rows.focus();
}

// Keeps the list of downloads up to date: asks the server once a second while one runs, and when somebody begins one.
import type { Schema } from '../../contract/answer.ts';
import { downloadLabel, downloadSentence } from '../../pages/download-sentence.ts';
import { dataOf, findAll, make, need, setText } from '../dom.ts';
import { requestJson } from '../request.ts';

type Download = Schema<'Download'>;

const ACTIVE_MS = 1_000;
const IDLE_MS = 10_000;

for (const section of findAll(HTMLElement, '[data-downloads]')) follow(section);

function follow(section: HTMLElement): void {
  const list = need(HTMLElement, '[data-list]', section);
  let timer = 0;

  async function ask(): Promise<void> {
    clearTimeout(timer);
    let isActive = false;
    try {
      const { items } = await requestJson('DownloadList', dataOf(section, 'downloads'));
      show(list, items);
      isActive = items.some(({ ended_at: endedAt }) => endedAt === null);
    } catch {
      // The server cannot be reached; it is asked again.
    }
    timer = setTimeout(() => void ask(), isActive ? ACTIVE_MS : IDLE_MS);
  }

  document.addEventListener('click', ({ target }) => {
    // The browser downloads by itself; the server knows of it a moment later.
    if (!(target instanceof Element) || !target.closest('a[download]')) return;
    clearTimeout(timer);
    timer = setTimeout(() => void ask(), ACTIVE_MS / 2);
  });
  void ask();
}

function show(list: HTMLElement, items: readonly Download[]): void {
  const known = new Map(findAll(HTMLElement, '[data-id]', list).map((row) => [row.dataset['id'], row]));
  for (const item of items.toReversed()) {
    const row = known.get(item.id) ?? addRow(list, item);
    known.delete(item.id);
    row.dataset['state'] = item.state;
    const progress = need(HTMLProgressElement, 'progress', row);
    progress.hidden = item.ended_at !== null;
    progress.max = Math.max(item.bytes_found, 1);
    progress.value = item.bytes;
    setText(need(HTMLElement, 'span', row), downloadSentence(item));
  }
  for (const row of known.values()) row.remove();
}

function addRow(list: HTMLElement, item: Download): HTMLElement {
  const label = downloadLabel(item);
  const progress = make('progress', '', { className: 'progress', ariaLabel: label });
  const row = make('li');
  row.dataset['id'] = item.id;
  row.append(make('strong', label), ' ', make('span'), ' ', progress);
  list.prepend(row);
  return row;
}

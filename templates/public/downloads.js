// Keeps the list of downloads up to date: asks the server once a second while one runs, and when somebody begins one.
const ACTIVE_MS = 1_000;
const IDLE_MS = 10_000;
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

for (const section of document.querySelectorAll('[data-downloads]')) follow(section);

function follow(section) {
  const list = section.querySelector('[data-list]');
  const words = JSON.parse(section.dataset.words);
  let timer;

  async function ask() {
    clearTimeout(timer);
    let active = false;
    try {
      const response = await fetch(section.dataset.downloads, { headers: { Accept: 'application/json' } });
      if (response.ok) {
        const { items } = await response.json();
        show(list, items, words);
        active = items.some((item) => item.ended_at === null);
      }
    } catch {
      // The server is away; it is asked again.
    }
    timer = setTimeout(ask, active ? ACTIVE_MS : IDLE_MS);
  }

  document.addEventListener('click', (event) => {
    // The download is the browser's own; its first news is there in a moment.
    if (event.target.closest('a[download]')) timer = setTimeout(ask, ACTIVE_MS / 2);
  });
  void ask();
}

function show(list, items, words) {
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  for (const item of items.toReversed()) {
    const row = rows.get(item.id) ?? list.insertBefore(newRow(item, words), list.firstChild);
    rows.delete(item.id);
    const [, text, progress] = row.children;
    row.dataset.state = item.state;
    progress.hidden = item.ended_at !== null;
    progress.max = Math.max(item.bytes_found, 1);
    progress.value = item.bytes;
    const said = sentence(item, words);
    if (text.textContent !== said) text.textContent = said;
  }
  for (const row of rows.values()) row.remove();
}

function newRow({ id, hostname }, words) {
  const row = document.createElement('li');
  row.dataset.id = id;
  const label = document.createElement('strong');
  label.textContent = hostname ?? words.everybody;
  const progress = document.createElement('progress');
  progress.className = 'progress';
  progress.setAttribute('aria-label', label.textContent);
  row.append(label, ' ', document.createElement('span'), ' ', progress);
  return row;
}

function sentence(item, words) {
  const said = words.states[item.state];
  if (item.state === 'searching') return `${said} ${item.vms_searched} / ${item.vms}`;
  if (item.state === 'failed') return `${said} ${item.message ?? ''}`;
  const files = item.files === 1 ? '1 file' : `${item.files} files`;
  const sent = `${item.vms_done} / ${item.vms} ${words.machines}, ${files}, ${size(item.bytes)}`;
  return `${said} ${sent}${item.vms_failed === 0 ? '' : `; ${item.vms_failed} ${words.lacking}`}`;
}

function size(bytes) {
  let [value, unit] = [bytes, 0];
  while (value >= 1_000 && unit < UNITS.length - 1) [value, unit] = [value / 1_000, unit + 1];
  if (unit === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]}`;
}

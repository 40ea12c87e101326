// Searching, filtering and sorting the rows of machines that are there, as the address says it; the address follows, so
// that it can be sent to somebody. Rows move only when that is asked for, or when nobody has the focus in them.
const SORT_MS = 1_000;
const natural = new Intl.Collator('en', { numeric: true });

export function createFilter({ section, body, rows, labels }) {
  const form = section.querySelector('form');
  const heads = [...section.querySelectorAll('th[data-column]')];
  const shown = section.querySelector('[data-shown]');
  let timer = 0;
  let wasWhole = isWhole();
  let isTouched = false;
  // Until all machines are here, the server searches and sorts.
  form.addEventListener('submit', (event) => isWhole() && event.preventDefault());
  form.addEventListener('input', () => {
    isTouched = true;
    apply();
  });
  section.querySelector('[data-clear]').addEventListener('click', (event) => {
    event.preventDefault();
    form.elements.q.value = '';
    form.elements.show.value = 'all';
    apply();
    form.elements.q.focus();
  });
  for (const head of heads)
    head.querySelector('a').addEventListener('click', (event) => {
      if (!isWhole()) return;
      event.preventDefault();
      const isDown = head.getAttribute('aria-sort') === 'ascending';
      form.elements.sort.value = `${isDown ? '-' : ''}${head.dataset.column}`;
      sort();
      tellAddress();
    });

  function isWhole() {
    return 'whole' in section.dataset;
  }

  function apply() {
    filter();
    tellAddress();
  }

  function filter() {
    const part = form.elements.q.value.trim().toLowerCase();
    const show = form.elements.show.value;
    let count = 0;
    for (const row of rows.values()) {
      const isOut = !isFound(row, part) || !isShown(row, show);
      if (row.hidden !== isOut) row.hidden = isOut;
      if (!isOut) count += 1;
    }
    if (!isWhole()) {
      // The server's words stand, as long as its answer does.
      if (isTouched) tell(labels.notAllYet);
      return;
    }
    const text = count === rows.size ? `${count}` : `${count} / ${rows.size}`;
    tell(shown.dataset.words.replace('{count}', text));
    section.querySelector('[data-none]').hidden = count > 0 || rows.size === 0;
    section.querySelector('[data-empty]').hidden = rows.size > 0;
    section.querySelector('[data-table]').hidden = count === 0;
    shown.hidden = rows.size === 0;
    form.querySelector('[data-apply]').hidden = true;
    hidePager();
  }

  function tell(sentence) {
    if (shown.textContent !== sentence) shown.textContent = sentence;
  }

  function hidePager() {
    const pager = section.querySelector('[data-pager]');
    if (!pager || pager.hidden) return;
    if (pager.contains(document.activeElement)) section.querySelector('[data-table]').focus();
    pager.hidden = true;
  }

  /** A second choice of the same column turns the order round; what is not known comes last. */
  function sort() {
    const { column, sign } = order();
    for (const head of heads) {
      if (head.dataset.column !== column) head.removeAttribute('aria-sort');
      else head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
    }
    const keyed = [...rows.values()].map((row) => ({ row, key: keys[column](row, labels) }));
    keyed.sort((a, b) => compare(a, b, column, sign));
    const sorted = keyed.map(({ row }) => row);
    // A row that has the focus stays, and the others are put around it: moved, it would lose it.
    const kept = sorted.findIndex((row) => row.contains(document.activeElement));
    put(sorted.slice(0, Math.max(kept, 0)), body.firstElementChild);
    put(sorted.slice(kept + 1), kept < 0 ? body.firstElementChild : sorted[kept].nextElementSibling);
  }

  /** One after the other from this place on; only rows that stand wrong are moved. */
  function put(sorted, from) {
    let place = from;
    for (const row of sorted) {
      if (row === place) place = place.nextElementSibling;
      else body.insertBefore(row, place);
    }
  }

  function order() {
    const value = form.elements.sort.value;
    return { column: value.replace(/^-/, ''), sign: value.startsWith('-') ? -1 : 1 };
  }

  function sortLater() {
    timer ||= setTimeout(() => {
      timer = 0;
      if (body.contains(document.activeElement)) sortLater();
      else sort();
    }, SORT_MS);
  }

  function tellAddress() {
    const search = new URLSearchParams();
    const { q, show, sort: sorted } = form.elements;
    if (q.value.trim() !== '') search.set('q', q.value.trim());
    if (show.value !== 'all') search.set('show', show.value);
    if (sorted.value !== 'machine') search.set('sort', sorted.value);
    const text = search.toString();
    history.replaceState(null, '', text === '' ? location.pathname : `?${text}`);
    form.querySelector('[data-csv]').href = csvAddress(q.value.trim(), show.value);
  }

  return {
    /** Rows were changed; `isNew`: some came or went; `isDone`: nothing more waits to be drawn. */
    changed: ({ isNew, isDone }) => {
      filter();
      if (!isDone) return;
      const isFirst = isWhole() && !wasWhole;
      wasWhole = isWhole();
      if (isFirst || (isNew && !body.contains(document.activeElement))) sort();
      else if (isNew || order().column !== 'machine') sortLater();
    },
  };

  function csvAddress(q, show) {
    const search = new URLSearchParams();
    if (q !== '') search.set('search', q);
    if (show in labels.vm) search.set('status', show);
    if (show === 'free') search.set('status', 'running');
    if (show === 'free' || show === 'assigned') search.set('assigned', String(show === 'assigned'));
    return `/api/v1/vms.csv?${search.toString()}`.replace(/\?$/, '');
  }
}

function isFound({ dataset, cells }, part) {
  return dataset.hostname.toLowerCase().includes(part) || cells[2].dataset.email.includes(part);
}

function isShown({ dataset, cells }, show) {
  const isHeld = cells[2].dataset.email !== '';
  if (show === 'all') return true;
  if (show === 'free') return dataset.status === 'running' && !isHeld;
  if (show === 'assigned') return isHeld && !('released' in dataset);
  if (show === 'attention') return 'attention' in dataset;
  return dataset.status === show;
}

const keys = {
  machine: () => '',
  status: (row, { statusOrder }) => statusOrder.indexOf(row.dataset.status),
  person: (row) => row.cells[2].dataset.email || null,
  use: ({ cells }, { yes, no }) => [yes, no].indexOf(cells[3].textContent.trim()),
  gpu: ({ cells }, { notSaid }) =>
    cells[4].textContent.trim() === notSaid ? null : cells[4].textContent.trim(),
  seen: ({ cells }) => cells[5].querySelector('time')?.dateTime ?? null,
  startup: ({ cells }) => (cells[6].dataset.total === '' ? null : Number(cells[6].dataset.total)),
};

function compare(a, b, column, sign) {
  const byName = natural.compare(a.row.dataset.hostname, b.row.dataset.hostname);
  if (column === 'machine') return sign * byName;
  const [one, other] = [a.key, b.key].map((key) => (key === -1 ? null : key));
  if (one === null || other === null) return Number(one === null) - Number(other === null) || byName;
  return sign * (one < other ? -1 : one > other ? 1 : 0) || byName;
}

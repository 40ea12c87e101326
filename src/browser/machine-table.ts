// The rows of the table of machines: searched, filtered and sorted as the server does it; the address follows, so that it can
// be sent to somebody. Rows move only where that was asked for, or while none of them has the focus.
import { countText } from '../pages/machine-row.ts';
import {
  csvHref,
  isShown,
  queryParameters,
  readVmQuery,
  sortVms,
  type TableVm,
  type VmQuery,
} from '../vms/vm-table.ts';
import { dataOf, find, findAll, need, setText } from './dom.ts';
import { followSelection } from './machine-selection.ts';

const SORT_MS = 1_000;

/** `vm`: what the row shows. */
export type MachineEntry = { readonly row: HTMLTableRowElement; vm: TableVm };

type Entries = ReadonlyMap<string, MachineEntry>;

type TableParts = {
  readonly section: HTMLElement;
  readonly body: HTMLTableSectionElement;
  readonly entries: Entries;
  readonly form: HTMLFormElement;
  readonly q: HTMLInputElement;
  readonly show: HTMLSelectElement;
  readonly sort: HTMLInputElement;
  readonly heads: readonly HTMLTableCellElement[];
  /** How many machines are shown, in a sentence. */
  readonly shown: HTMLElement;
  readonly table: HTMLElement;
};

export function createMachineTable(given: Pick<TableParts, 'section' | 'body' | 'entries'>) {
  const parts = findParts(given);
  const { section, body, entries, form, q, show, sort, heads } = parts;
  const selection = followSelection({
    ...{ section, body, entries },
    isWhole: () => isWhole(parts),
    query: () => queryOf(parts),
  });
  let timer = 0;
  let wasWhole = isWhole(parts);
  /** Until something is typed, the sentence of the server about how many are shown is right. */
  let isTouched = false;

  function refilter(): void {
    isTouched = true;
    filterRows(parts, isTouched);
    selection.changed();
    showAddress(parts);
  }

  function sortLater(): void {
    timer ||= setTimeout(() => {
      timer = 0;
      if (body.contains(document.activeElement)) sortLater();
      else sortRows(parts);
    }, SORT_MS);
  }

  // Until all machines are here, the server searches and sorts.
  form.addEventListener('submit', (event) => {
    if (isWhole(parts)) event.preventDefault();
  });
  form.addEventListener('input', refilter);
  need(HTMLElement, '[data-clear]', section).addEventListener('click', (event) => {
    event.preventDefault();
    q.value = '';
    show.value = 'all';
    refilter();
    q.focus();
  });
  for (const head of heads)
    need(HTMLElement, 'a', head).addEventListener('click', (event) => {
      if (!isWhole(parts)) return;
      event.preventDefault();
      // Choosing the sorted column again reverses the order.
      const isAscending = head.getAttribute('aria-sort') === 'ascending';
      sort.value = `${isAscending ? '-' : ''}${dataOf(head, 'column')}`;
      sortRows(parts);
      showAddress(parts);
    });

  return {
    /** Rows changed; `isNew`: some came or went; `isDone`: no more wait to be drawn. */
    changed: ({ isNew, isDone }: { readonly isNew: boolean; readonly isDone: boolean }): void => {
      filterRows(parts, isTouched);
      if (!isDone) return;
      selection.changed();
      const isFirst = isWhole(parts) && !wasWhole;
      wasWhole = isWhole(parts);
      if (isFirst || (isNew && !body.contains(document.activeElement))) sortRows(parts);
      else if (isNew || queryOf(parts).sort.column !== 'machine') sortLater();
    },
  };
}

function findParts(given: Pick<TableParts, 'section' | 'body' | 'entries'>): TableParts {
  const form = need(HTMLFormElement, 'form', given.section);
  return {
    ...given,
    form,
    q: need(HTMLInputElement, '[name="q"]', form),
    show: need(HTMLSelectElement, '[name="show"]', form),
    sort: need(HTMLInputElement, '[name="sort"]', form),
    heads: findAll(HTMLTableCellElement, 'th[data-column]', given.section),
    shown: need(HTMLElement, '[data-shown]', given.section),
    table: need(HTMLElement, '[data-table]', given.section),
  };
}

/** Whether all machines are here. */
function isWhole({ section }: TableParts): boolean {
  return section.dataset['whole'] !== undefined;
}

function queryOf({ q, show, sort }: TableParts): VmQuery {
  return readVmQuery({ q: q.value, show: show.value, sort: sort.value });
}

function filterRows(parts: TableParts, isTouched: boolean): void {
  const [query, now] = [queryOf(parts), new Date()];
  let count = 0;
  for (const { row, vm } of parts.entries.values()) {
    const isHidden = !isShown(vm, query, now);
    if (row.hidden !== isHidden) row.hidden = isHidden;
    if (!isHidden) count += 1;
  }
  if (isWhole(parts)) showCount(parts, count);
  else if (isTouched) setText(parts.shown, dataOf(parts.shown, 'notAll'));
}

function showCount({ section, entries, form, shown, table }: TableParts, count: number): void {
  setText(shown, countText(count, entries.size));
  shown.hidden = entries.size === 0;
  need(HTMLElement, '[data-none]', section).hidden = count > 0 || entries.size === 0;
  need(HTMLElement, '[data-empty]', section).hidden = entries.size > 0;
  table.hidden = count === 0;
  need(HTMLElement, '[data-apply]', form).hidden = true;
  const pager = find(HTMLElement, '[data-pager]', section);
  if (!pager || pager.hidden) return;
  if (pager.contains(document.activeElement)) table.focus();
  pager.hidden = true;
}

function sortRows(parts: TableParts): void {
  const { body, entries, heads } = parts;
  const { sort } = queryOf(parts);
  for (const head of heads) {
    if (head.dataset['column'] !== sort.column) head.removeAttribute('aria-sort');
    else head.setAttribute('aria-sort', sort.descending ? 'descending' : 'ascending');
  }
  const vms = [...entries.values()].map(({ vm }) => vm);
  const sorted = sortVms(vms, sort).flatMap(({ hostname }) => entries.get(hostname)?.row ?? []);
  // A row that has the focus stays, and the others are put around it: a row that moves loses the focus.
  const kept = sorted.find((row) => row.contains(document.activeElement));
  const before = kept ? sorted.slice(0, sorted.indexOf(kept)) : sorted;
  put(body, before, body.firstElementChild);
  if (kept) put(body, sorted.slice(before.length + 1), kept.nextElementSibling);
}

/** One after the other from this element on; only rows in a wrong place move. */
function put(body: HTMLElement, sorted: readonly Element[], from: Element | null): void {
  let place = from;
  for (const row of sorted) {
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
}

function showAddress(parts: TableParts): void {
  const query = queryOf(parts);
  const search = queryParameters(query).toString();
  history.replaceState(null, '', search === '' ? location.pathname : `?${search}`);
  need(HTMLAnchorElement, '[data-csv]', parts.form).href = csvHref(query);
}

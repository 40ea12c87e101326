// Which rows of the table of machines are ticked. The ticks are those of the rows, so that they stay while rows change, move or are
// hidden by the filter; the form sends them with or without this module.
import { isShown, readVmQuery, sortText, type TableVm, type VmQuery } from '../vms/vm-table.ts';
import { dataOf, find, findAll, need, setText } from './dom.ts';

type Parts = {
  readonly section: HTMLElement;
  readonly body: HTMLTableSectionElement;
  readonly entries: ReadonlyMap<string, { readonly row: HTMLTableRowElement; readonly vm: TableVm }>;
  /** Whether all machines are here; until then the server finds those of a group. */
  readonly isWhole: () => boolean;
  readonly query: () => VmQuery;
};

export type MachineSelection = {
  /** Rows came, went, or were hidden: counts again, and tells the form what the table shows. */
  readonly changed: () => void;
};

export function followSelection(parts: Parts): MachineSelection {
  const { section, body, isWhole, query } = parts;
  const form = need(HTMLFormElement, '[data-bulk]', section);
  const which = need(HTMLSelectElement, '[name="which"]', form);
  const counted = need(HTMLElement, '[data-ticked]', form);
  const buttons = findAll(HTMLButtonElement, '[name="action"]', form);
  const [q, show, sort] = ['q', 'show', 'sort'].map((name) =>
    need(HTMLInputElement, `[name="${name}"]`, form),
  );
  const restored = takeKept();

  function changed(): void {
    const asked = query();
    if (q && q.value !== asked.q) q.value = asked.q;
    if (show && show.value !== asked.show) show.value = asked.show;
    if (sort) sort.value = sortText(asked.sort);
    tickAgain(parts, restored);
    const ticked = tickedOf(body);
    for (const button of buttons) button.disabled = which.value === 'listed' && ticked.length === 0;
    setText(counted, ticked.length === 0 ? dataOf(counted, 'ticked') : tickedText(ticked));
  }

  which.addEventListener('change', () => {
    if (which.value !== 'listed' && isWhole()) {
      tickGroup(parts, which.value);
      which.value = 'listed';
    }
    changed();
  });
  body.addEventListener('change', () => {
    which.value = 'listed';
    changed();
  });
  form.addEventListener('submit', () => keep(tickedOf(body)));
  changed();
  return { changed };
}

/** The ticks of this tab, for the way back from the page that asks for confirmation. */
const KEPT = 'ticked-machines';
/** Where that page leads back to. */
const RETURN_HASH = '#bulk';

function keep(ticked: readonly HTMLInputElement[]): void {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(ticked.map(({ value }) => value)));
  } catch {
    // Storage that is off or full: the ticks are not restored.
  }
}

/** The machines that were ticked, where the reader comes back; they are ticked when their rows are there. */
function takeKept(): Set<string> {
  const [entry] = performance.getEntriesByType('navigation');
  const isBack = entry instanceof PerformanceNavigationTiming && entry.type === 'back_forward';
  if (location.hash !== RETURN_HASH && !isBack) return new Set();
  if (location.hash === RETURN_HASH)
    history.replaceState(history.state, '', location.pathname + location.search);
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]');
    return new Set(Array.isArray(kept) ? kept.filter((name) => typeof name === 'string') : []);
  } catch {
    return new Set();
  }
}

function tickAgain({ entries }: Parts, restored: Set<string>): void {
  for (const hostname of restored) {
    const entry = entries.get(hostname);
    if (!entry) continue;
    restored.delete(hostname);
    const tick = find(HTMLInputElement, '[name="hostnames"]', entry.row);
    if (tick) tick.checked = true;
  }
}

/** Ticks the rows of a group, and no others. */
function tickGroup({ entries }: Parts, group: string): void {
  const now = new Date();
  const asked = readVmQuery({ show: group });
  for (const { row, vm } of entries.values()) {
    const tick = find(HTMLInputElement, '[name="hostnames"]', row);
    if (tick) tick.checked = group === 'shown' ? !row.hidden : isShown(vm, asked, now);
  }
}

function tickedOf(body: HTMLElement): readonly HTMLInputElement[] {
  return findAll(HTMLInputElement, '[name="hostnames"]:checked', body);
}

/** `3 ticked, 1 of them not shown`. */
function tickedText(ticked: readonly HTMLInputElement[]): string {
  const hidden = ticked.filter((tick) => tick.closest('tr')?.hidden === true).length;
  return `${ticked.length} ticked${hidden === 0 ? '' : `, ${hidden} of them not shown`}`;
}

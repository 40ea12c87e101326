// Which rows of the table of machines are ticked. The ticks are those of the rows, so that they stay while rows change, move or are
// hidden by the filter; the form sends them with or without this module.
import { isShown, readVmQuery, type TableVm, type VmQuery } from '../vms/vm-table.ts';
import { find, findAll, need, setText } from './dom.ts';

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
  const [q, show] = ['q', 'show'].map((name) => need(HTMLInputElement, `[name="${name}"]`, form));

  function changed(): void {
    const asked = query();
    if (q && q.value !== asked.q) q.value = asked.q;
    if (show && show.value !== asked.show) show.value = asked.show;
    setText(counted, tickedText(body));
  }

  which.addEventListener('change', () => {
    if (which.value === 'listed' || !isWhole()) return;
    tickGroup(parts, which.value);
    which.value = 'listed';
    changed();
  });
  body.addEventListener('change', () => {
    which.value = 'listed';
    changed();
  });
  changed();
  return { changed };
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

/** `3 ticked, 1 of them not shown`; empty where none is. */
function tickedText(body: HTMLTableSectionElement): string {
  const ticked = findAll(HTMLInputElement, '[name="hostnames"]:checked', body);
  if (ticked.length === 0) return '';
  const hidden = ticked.filter((tick) => tick.closest('tr')?.hidden === true).length;
  return `${ticked.length} ticked${hidden === 0 ? '' : `, ${hidden} of them not shown`}`;
}

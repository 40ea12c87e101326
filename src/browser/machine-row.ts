// One row of the table of machines: only cells that differ are touched. Text, never markup.
import type { Schema } from '../contract/answer.ts';
import { machineRow, overdueText, tableVm, type VmRow } from '../pages/machine-row.ts';
import type { TableVm } from '../vms/vm-table.ts';
import { dataOf, find, make, makeFrom, need, setData, setText } from './dom.ts';
import type { MachineEntry } from './machine-table.ts';

/** The machine of a row that the server rendered. */
export function readEntry(row: HTMLTableRowElement): MachineEntry {
  const vm: unknown = JSON.parse(dataOf(row, 'vm'));
  if (!isTableVm(vm)) throw new Error('a row of the table has no machine');
  return { row, vm };
}

/** The server writes it from `tableVm`: to look at one part of it is enough. */
function isTableVm(value: unknown): value is TableVm {
  return typeof value === 'object' && value !== null && 'hostname' in value;
}

export function makeEntry(template: HTMLTemplateElement, vm: Schema<'Vm'>): MachineEntry {
  const row = makeFrom(template, HTMLTableRowElement);
  // Its style lets the browser leave it out of its work while it is out of sight.
  row.classList.add('below');
  row.dataset['hostname'] = vm.hostname;
  const entry = { row, vm: tableVm(vm) };
  fillRow(entry, vm);
  return entry;
}

/** Shows what is known of the machine now. */
export function fillRow(entry: MachineEntry, vm: Schema<'Vm'>): void {
  entry.vm = tableVm(vm);
  const view = machineRow(vm, new Date());
  const [name, state, person, use, gpu, seen, startup, logs] = entry.row.cells;
  if (!name || !state || !person || !use || !gpu || !seen || !startup || !logs)
    throw new Error('a row of the table has too few cells');
  if (need(HTMLAnchorElement, 'a', name).textContent !== view.hostname) fillName(name, logs, view);
  const badge = need(HTMLElement, '.status', state);
  setData(badge, 'status', view.status);
  setText(badge, view.statusLabel);
  setTime(need(HTMLTimeElement, 'time', state), view.since);
  showAttention(entry.row, view.attention);
  showPerson(person, view);
  setText(use, view.inUse);
  setText(gpu, view.gpu);
  showSeen(seen, view);
  setText(startup, view.startup);
  if (startup.title !== view.startupPhases) startup.title = view.startupPhases;
}

function fillName(name: HTMLElement, logs: HTMLElement, view: VmRow): void {
  const link = need(HTMLAnchorElement, 'a', name);
  link.href = view.href;
  link.textContent = view.hostname;
  const tick = need(HTMLInputElement, 'input', name);
  tick.value = view.hostname;
  tick.ariaLabel = view.tickLabel;
  const log = need(HTMLAnchorElement, 'a', logs);
  log.href = view.logs;
  log.ariaLabel = view.logsLabel;
}

/** Why the machine needs the admin, in a line of its own; most machines have none. */
function showAttention(row: HTMLTableRowElement, text: string): void {
  const known = find(HTMLElement, '.why', row);
  if (text === '') known?.remove();
  else if (known) setText(known, text);
  else row.append(make('td', text, { className: 'why', role: 'cell' }));
}

function showPerson(person: HTMLElement, { email, assignment }: VmRow): void {
  if (person.textContent === `${email}${assignment}`) return;
  person.title = `${email} ${assignment}`;
  person.replaceChildren(email, make('span', assignment, { className: 'hint' }));
}

function showSeen(cell: HTMLElement, { seen, never }: VmRow): void {
  if (seen === null) {
    setText(cell, never);
    return;
  }
  const known = find(HTMLTimeElement, 'time', cell);
  const time = known ?? make('time');
  if (!known) {
    time.dataset['local'] = 'ago';
    cell.replaceChildren(time);
  }
  setTime(time, seen);
}

function setTime(time: HTMLTimeElement, { timestamp, ago }: VmRow['since']): void {
  if (time.getAttribute('datetime') !== timestamp) time.dateTime = timestamp;
  setText(time, ago);
}

/** What takes too long by now is shown, though the server sends nothing new. */
export function showOverdue({ row, vm }: MachineEntry, now: Date): void {
  const text = overdueText(vm, now);
  if (text !== null) showAttention(row, text);
}

// Keeps the page of an operation up to date: one stream for its output, its machines, and what the machines report.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import {
  leftSentence,
  machineOutcome,
  operationStatusLabels,
  progressText,
  readKind,
  readySentence,
  reportedLabel,
  UNKNOWN_OUTCOME,
} from '../../pages/operation-labels.ts';
import { NOT_ASSIGNED } from '../../pages/status-labels.ts';
import { vmPageHref } from '../../pages/hrefs.ts';
import { compareHostnames } from '../../vms/hostnames.ts';
import { dataOf, find, findAll, make, makeFrom, need, setText } from '../dom.ts';
import { followStream } from '../event-stream.ts';
import { localTime } from '../local-times.ts';

type Vm = Schema<'Vm'>;
type Operation = Schema<'Operation'>;

const LINES_KEPT = 2_000;
/** A reader who has scrolled up further stays there. */
const NEAR_END_PX = 40;

const section = find(HTMLElement, '[data-operation]');
// The page came as the answer to a form: loading it again must not send the form again.
if (section) history.replaceState(null, '', dataOf(section, 'operation'));
for (const live of findAll(HTMLElement, '[data-live]')) live.hidden = false;
const output = find(HTMLElement, '.log');
output?.scrollTo(0, output.scrollHeight);
const monitor = find(HTMLElement, '[data-stream]');
if (section && monitor && output) follow(section, monitor, output);

function follow(operation: HTMLElement, machines: HTMLElement, log: HTMLElement): void {
  const table = findTable(machines);
  const showOperation = (data: string): void => {
    const received = readAnswer('Operation', data);
    showStatus(operation, received);
    showCancelling(operation, received);
    const isActive = received.status === 'queued' || received.status === 'running';
    if (!isActive) showUnknown(table);
    for (const live of findAll(HTMLElement, '[data-live]')) live.hidden = !isActive && isSettled(table);
    const proof = find(HTMLElement, '[data-proof]', machines);
    if (proof) proof.hidden = received.status !== 'succeeded';
  };
  followStream(dataOf(machines, 'stream'), {
    output: (data) => showLine(log, readAnswer('OperationEvent', data)),
    operation: showOperation,
    end: showOperation,
    // Of an operation, this event has the machines alone.
    operation_vms: (data) => showOutcomes(table, readAnswer('Operation', data).vms ?? []),
    vms: (data) => showVms(table, readAnswer('VmChanges', data)),
  });
}

function showLine(log: HTMLElement, { at, level, hostname, text }: Schema<'OperationEvent'>): void {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
  const line = make('li');
  line.dataset['level'] = level;
  line.append(make('time', localTime(at, 'clock'), { dateTime: at }), ' ');
  if (hostname !== null) line.append(make('b', hostname), ' ');
  line.append(text);
  const lines = need(HTMLElement, 'ol', log);
  lines.append(line);
  while (lines.childElementCount > LINES_KEPT) lines.firstElementChild?.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function showStatus(operation: HTMLElement, { status, message, problem, progress }: Operation): void {
  const run = need(HTMLElement, '.run', operation);
  run.dataset['status'] = status;
  setText(need(HTMLElement, '[data-label]', run), operationStatusLabels[status]);
  setText(need(HTMLElement, '[data-message]', run), message);
  const remedy = need(HTMLElement, '[data-remedy]', operation);
  setText(remedy, problem?.remedy ?? '');
  remedy.hidden = problem === null;
  const { done, total } = progress;
  const bar = need(HTMLProgressElement, 'progress', operation);
  bar.max = Math.max(total, 1);
  if (total > 0) bar.value = done;
  // It ended before the number of steps was known.
  else if (status !== 'queued' && status !== 'running') bar.value = status === 'succeeded' ? 1 : 0;
  setText(need(HTMLElement, '[data-progress]', operation), progressText(progress));
}

function showCancelling(operation: HTMLElement, { status, cancel_requested_at: askedAt }: Operation): void {
  const isActive = status === 'queued' || status === 'running';
  const cancel = find(HTMLElement, '[data-cancel]', operation);
  if (cancel && !cancel.hidden && (!isActive || askedAt !== null)) hideCancel(cancel);
  const cancelling = need(HTMLElement, '[data-cancelling]', operation);
  if (askedAt !== null)
    setText(need(HTMLElement, '[data-asked-at]', cancelling), localTime(askedAt, 'clock'));
  cancelling.hidden = !isActive || askedAt === null;
}

/** A reader whose focus is on the button is not thrown to the top of the page. */
function hideCancel(cancel: HTMLElement): void {
  const hadFocus = cancel.contains(document.activeElement);
  cancel.hidden = true;
  if (!hadFocus) return;
  const title = need(HTMLElement, '#how');
  title.tabIndex = -1;
  title.focus();
}

type Table = {
  readonly monitor: HTMLElement;
  readonly kind: Operation['kind'];
  readonly body: HTMLTableSectionElement;
  readonly rows: Map<string, HTMLElement>;
  /** The hostnames of all machines, of this operation or not. */
  readonly present: Set<string>;
  /** What machines report, also machines whose row is still to come. */
  readonly reported: Map<string, Vm>;
};

function findTable(monitor: HTMLElement): Table {
  const body = need(HTMLTableSectionElement, 'tbody', monitor);
  return {
    monitor,
    kind: readKind(dataOf(monitor, 'kind')),
    body,
    rows: new Map([...body.rows].map((row) => [dataOf(row, 'hostname'), row])),
    present: new Set(),
    reported: new Map(),
  };
}

function showOutcomes(table: Table, machines: readonly Schema<'OperationVm'>[]): void {
  for (const machine of machines) {
    const row = table.rows.get(machine.hostname) ?? addRow(table, machine.hostname);
    const { state, label, seconds, detail } = machineOutcome(table.kind, machine, false);
    row.dataset['made'] = state;
    const cell = need(HTMLElement, '[data-cell="made"]', row);
    cell.replaceChildren(makeStatus(label, state));
    if (seconds !== null) cell.append(' ', make('span', seconds, { className: 'hint' }));
    if (detail !== null) cell.append(make('span', detail, { className: 'under' }));
    const vm = table.reported.get(machine.hostname);
    if (vm) showReport(table, vm);
  }
  showCounts(table);
}

/** The operation has ended: nothing becomes of those that still wait. */
function showUnknown({ rows }: Table): void {
  const { state, label } = UNKNOWN_OUTCOME;
  for (const row of rows.values()) {
    if (row.dataset['made'] !== 'waiting') continue;
    row.dataset['made'] = state;
    need(HTMLElement, '[data-cell="made"]', row).replaceChildren(makeStatus(label, state));
  }
}

function showVms(table: Table, { all, changed, gone }: Schema<'VmChanges'>): void {
  const { rows, present, reported } = table;
  if (all !== null) {
    const missing = [...present, ...rows.keys()].filter((hostname) => !all.includes(hostname));
    present.clear();
    for (const hostname of all) present.add(hostname);
    for (const hostname of missing) forget(table, hostname);
  }
  for (const vm of changed) {
    present.add(vm.hostname);
    reported.set(vm.hostname, vm);
    showReport(table, vm);
  }
  for (const hostname of gone) forget(table, hostname);
  showCounts(table);
}

function forget({ rows, present, reported }: Table, hostname: string): void {
  present.delete(hostname);
  reported.delete(hostname);
  const row = rows.get(hostname);
  if (!row) return;
  need(HTMLAnchorElement, 'th a', row).removeAttribute('href');
  reportCell(row).replaceChildren(make('span', reportedLabel(null), { className: 'hint' }));
}

function showReport({ rows, kind }: Table, vm: Vm): void {
  const row = rows.get(vm.hostname);
  if (!row) return;
  need(HTMLAnchorElement, 'th a', row).href = vmPageHref(vm.hostname);
  const label = reportedLabel(vm);
  const badge = find(HTMLElement, '.status', reportCell(row));
  if (badge?.dataset['status'] !== vm.status || badge.textContent !== label)
    reportCell(row).replaceChildren(makeStatus(label, vm.status));
  if (mayBeLater(kind, row, vm)) return;
  showParticipant(need(HTMLElement, '[data-cell="participant"]', row), vm);
}

/** Who had a machine that was destroyed stays there, whatever a later machine of that name does, also if it reports first. */
function mayBeLater(kind: Operation['kind'], row: HTMLElement, { status }: Vm): boolean {
  const made = dataOf(row, 'made');
  if (made === 'destroyed') return true;
  return kind === 'destroy' && (made === '' || made === 'waiting') && status !== 'destroying';
}

function showParticipant(cell: HTMLElement, { assignment }: Vm): void {
  const { email, name = '' } = assignment ?? { email: NOT_ASSIGNED };
  if (cell.textContent === email + name) return;
  cell.replaceChildren(email);
  if (name !== '') cell.append(make('span', name, { className: 'under' }));
}

function addRow(table: Table, hostname: string): HTMLElement {
  const { monitor, body, rows, reported } = table;
  const row = makeFrom(need(HTMLTemplateElement, '[data-new-row]', monitor), HTMLTableRowElement);
  row.dataset['hostname'] = hostname;
  need(HTMLAnchorElement, 'th a', row).append(hostname);
  rows.set(hostname, row);
  const next = [...body.rows].find((other) => compareHostnames(dataOf(other, 'hostname'), hostname) > 0);
  body.insertBefore(row, next ?? null);
  const vm = reported.get(hostname);
  if (vm) showReport(table, vm);
  return row;
}

function showCounts(table: Table): void {
  const { monitor, rows, present } = table;
  need(HTMLElement, '[data-table]', monitor).hidden = rows.size === 0;
  need(HTMLElement, '[data-none]', monitor).hidden = rows.size > 0;
  showReady(table);
  const left = find(HTMLElement, '[data-left]', monitor);
  if (!left) return;
  setText(left, String(present.size));
  setText(need(HTMLElement, '[data-left-text]', monitor), leftSentence(present.size));
}

function showReady({ monitor, rows }: Table): void {
  const gauge = find(HTMLElement, '[data-up]', monitor);
  if (!gauge) return;
  const created = [...rows.values()].filter((row) => row.dataset['made'] === 'created');
  const ready = created.filter((row) => statusOf(row) === 'running');
  gauge.hidden = created.length === 0;
  const bar = need(HTMLProgressElement, 'progress', gauge);
  bar.value = ready.length;
  setText(need(HTMLElement, '[data-up-text]', gauge), readySentence(ready.length, bar.max));
}

/** Whether no machine is starting any more. */
function isSettled({ rows }: Table): boolean {
  return ![...rows.values()].some((row) => statusOf(row) === 'initializing');
}

function makeStatus(label: string, status: string): HTMLElement {
  const made = make('span', label, { className: 'status' });
  made.dataset['status'] = status;
  return made;
}

function reportCell(row: HTMLElement): HTMLElement {
  return need(HTMLElement, '[data-cell="reported"]', row);
}

function statusOf(row: HTMLElement): string | undefined {
  return find(HTMLElement, '.status', reportCell(row))?.dataset['status'];
}

// Keeps the page of an operation up to date: one stream for its output, its machines, and what those say themselves.
// What the server says goes in as text, never as markup.
import { element } from './elements.js';
import { say } from './spans.js';
import { followStream } from './sse.js';
import { localTime } from './times.js';

const LINES_KEPT = 2_000;
/** A reader who has scrolled up is left there. */
const NEAR_END_PX = 40;

const monitor = document.querySelector('[data-stream]');
const operation = document.querySelector('[data-operation]');
const output = document.querySelector('.log');
const labels = monitor ? JSON.parse(monitor.dataset.labels) : {};
const rows = new Map(
  [...document.querySelectorAll('tr[data-hostname]')].map((row) => [row.dataset.hostname, row]),
);
/** All machines of the lab, of this operation or not. */
const present = new Set();
/** What machines have said themselves; also of those whose row is still to come. */
const said = new Map();

// The page came as the answer to a form: loading it again must not send the form again.
if (operation) history.replaceState(null, '', operation.dataset.operation);
for (const live of document.querySelectorAll('[data-live]')) live.hidden = false;
output?.scrollTo(0, output.scrollHeight);
if (monitor) {
  followStream(monitor.dataset.stream, {
    output: showLine,
    operation: showOperation,
    end: showOperation,
    operation_vms: ({ vms }) => {
      for (const vm of vms) showMade(vm);
      showCounts();
    },
    vms: showVms,
  });
}

function showLine({ at, level, hostname, text }) {
  const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < NEAR_END_PX;
  const line = document.createElement('li');
  line.dataset.level = level;
  line.append(element('time', localTime(at, 'clock'), { dateTime: at }), ' ');
  if (hostname !== null) line.append(element('b', hostname), ' ');
  line.append(text);
  const lines = output.querySelector('ol');
  lines.append(line);
  while (lines.childElementCount > LINES_KEPT) lines.firstElementChild.remove();
  if (isAtEnd) output.scrollTop = output.scrollHeight;
}

function showOperation({ status, message, progress, problem, cancel_requested_at }) {
  const run = operation.querySelector('.run');
  run.dataset.status = status;
  setText(run.querySelector('[data-label]'), labels.operation[status]);
  setText(run.querySelector('[data-message]'), message);
  const remedy = operation.querySelector('[data-remedy]');
  setText(remedy, problem?.remedy ?? '');
  remedy.hidden = problem === null;
  const isActive = status === 'queued' || status === 'running';
  showProgress(progress, isActive, status === 'succeeded');
  const cancel = operation.querySelector('[data-cancel]');
  const isAsked = cancel_requested_at !== null;
  if (cancel && (!isActive || isAsked) && !cancel.hidden) hideCancel(cancel);
  const cancelling = operation.querySelector('[data-cancelling]');
  if (isAsked) setText(cancelling.querySelector('[data-asked-at]'), localTime(cancel_requested_at, 'clock'));
  cancelling.hidden = !isActive || !isAsked;
  for (const live of document.querySelectorAll('[data-live]')) live.hidden = !isActive && isSettled();
  const proof = monitor.querySelector('[data-proof]');
  if (proof) proof.hidden = status !== 'succeeded';
}

/** Whoever was on the button is not thrown to the top of the page. */
function hideCancel(cancel) {
  const hadFocus = cancel.contains(document.activeElement);
  cancel.hidden = true;
  if (!hadFocus) return;
  const title = document.querySelector('#how');
  title.tabIndex = -1;
  title.focus();
}

/** Of what ended before it began, nothing is done. */
function showProgress({ done, failed, total }, isActive, isDone) {
  const bar = operation.querySelector('progress');
  bar.max = Math.max(total, 1);
  if (total > 0) bar.value = done + failed;
  else if (!isActive) bar.value = isDone ? 1 : 0;
  setText(operation.querySelector('[data-progress]'), total > 0 ? `${done + failed} / ${total}` : '');
}

/** What the operation did with a machine. */
function showMade({ hostname, state, seconds, detail }) {
  const row = rows.get(hostname) ?? addRow(hostname);
  row.dataset.made = state;
  const cell = row.querySelector('[data-cell="made"]');
  const status = element('span', labels.machine[state], { className: 'status' });
  status.dataset.status = state;
  cell.replaceChildren(status);
  if (seconds !== null)
    cell.append(' ', element('span', say(seconds.toFixed(1), 's'), { className: 'hint' }));
  if (detail !== null) cell.append(element('span', detail, { className: 'under' }));
}

function showVms({ all, changed, gone }) {
  if (all !== null) {
    const missing = [...present, ...rows.keys()].filter((hostname) => !all.includes(hostname));
    present.clear();
    for (const hostname of all) present.add(hostname);
    missing.forEach(forget);
  }
  for (const vm of changed) {
    present.add(vm.hostname);
    said.set(vm.hostname, vm);
    if (rows.has(vm.hostname)) showSaid(vm);
  }
  gone.forEach(forget);
  showCounts();
}

function forget(hostname) {
  present.delete(hostname);
  said.delete(hostname);
  const row = rows.get(hostname);
  if (!row) return;
  row
    .querySelector('[data-cell="said"]')
    .replaceChildren(element('span', labels.noRow, { className: 'hint' }));
}

/** What a machine says itself. */
function showSaid({ hostname, status, assignment, last_seen_at }) {
  const row = rows.get(hostname);
  const label = status === 'initializing' && last_seen_at === null ? labels.notReported : labels.vm[status];
  const cell = row.querySelector('[data-cell="said"]');
  const badge = cell.querySelector('.status');
  if (badge?.dataset.status !== status || badge.textContent !== label) {
    const made = element('span', label, { className: 'status' });
    made.dataset.status = status;
    cell.replaceChildren(made);
  }
  const person = assignment ? assignment.email : labels.nobody;
  setText(row.querySelector('[data-cell="participant"]'), person);
}

function addRow(hostname) {
  const row = document.createElement('tr');
  row.dataset.hostname = hostname;
  const name = element('th', '', { scope: 'row' });
  const link = element('a', '', { href: `/admin/logs/${encodeURIComponent(hostname)}` });
  link.append(element('span', `${labels.logsOf} `, { className: 'visually-hidden' }), hostname);
  name.append(link);
  row.append(name);
  for (const cell of ['made', 'said', 'participant']) {
    const made = document.createElement('td');
    made.dataset.cell = cell;
    row.append(made);
  }
  rows.set(hostname, row);
  const body = monitor.querySelector('tbody');
  const next = [...body.rows].find((other) => other.dataset.hostname > hostname);
  body.insertBefore(row, next ?? null);
  const vm = said.get(hostname);
  if (vm) showSaid(vm);
  return row;
}

function showCounts() {
  monitor.querySelector('[data-table]').hidden = rows.size === 0;
  monitor.querySelector('[data-none]').hidden = rows.size > 0;
  showUp();
  const left = monitor.querySelector('[data-left]');
  if (!left) return;
  setText(left, String(present.size));
  const { none, one, many } = labels.left;
  const text = present.size === 0 ? none : present.size === 1 ? one : many.replace('{n}', present.size);
  setText(monitor.querySelector('[data-left-text]'), text);
}

function showUp() {
  const place = monitor.querySelector('[data-up]');
  if (!place) return;
  const made = [...rows.values()].filter((row) => row.dataset.made === 'created');
  const up = made.filter(
    (row) => row.querySelector('[data-cell="said"] .status')?.dataset.status === 'running',
  );
  place.hidden = made.length === 0;
  const bar = place.querySelector('progress');
  bar.max = Math.max(made.length, 1);
  bar.value = up.length;
  const { some, all, theOne } = labels.up;
  const isAll = up.length === made.length;
  const text = isAll && made.length === 1 ? theOne : isAll ? all : some;
  setText(
    place.querySelector('[data-up-text]'),
    made.length === 0 ? '' : text.replace('{n}', up.length).replace('{of}', made.length),
  );
}

/** Nothing changes by itself any more. */
function isSettled() {
  return ![...rows.values()].some(
    (row) => row.querySelector('[data-cell="said"] .status')?.dataset.status === 'initializing',
  );
}

/** A status line that did not change is not read aloud again. */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

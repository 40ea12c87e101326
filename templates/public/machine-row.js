// One row of the table of machines, built and kept as src/pages/machine-row.ts has it: only cells that differ are touched.
// Text, never markup.
import { element } from './elements.js';
import { ago, say, sayNumber } from './spans.js';

const MINUTE_MS = 60_000;

/** Makes the row tell what is known of its machine. */
export function fillRow(row, machine, labels) {
  const { status, assignment } = machine;
  setData(row, 'status', status);
  setData(row, 'attention', machine.attention ? '' : null);
  setData(row, 'released', assignment?.state === 'released' ? '' : null);
  setData(row, 'deadline', machine.deadline ? JSON.stringify(machine.deadline) : null);
  const [, state, person, use, gpu, seen, startup] = row.cells;
  const badge = state.querySelector('.status');
  setData(badge, 'status', status);
  setText(badge, labels.vm[status]);
  setTime(state.querySelector('time'), machine.status_since);
  showWhy(state, machine.attention?.message ?? '');
  showPerson(person, assignment, labels);
  setText(use, machine.in_use === null ? labels.notSaid : machine.in_use ? labels.yes : labels.no);
  setText(gpu, machine.gpu_health ?? labels.notSaid);
  showSeen(seen, machine.last_seen_at, labels);
  setData(startup, 'total', String(machine.timings.total_seconds ?? ''));
  setText(startup, startupText(machine.timings, labels));
  showOverdue(row, labels, Date.now());
}

/** A row of a machine, still to be filled. */
export function makeRow({ hostname, provider }, labels) {
  const row = element('tr', '', { role: 'row', className: 'below' });
  row.dataset.hostname = hostname;
  const name = element('th', '', { scope: 'row', role: 'rowheader' });
  name.append(
    element('a', hostname, { href: `/admin/vms/${encodeURIComponent(hostname)}` }),
    element('span', provider, { className: 'under' }),
  );
  const state = makeCell();
  const time = element('time', '', { className: 'under' });
  time.dataset.local = 'ago';
  state.append(element('span', '', { className: 'status' }), ' ', time);
  const logs = makeCell();
  const link = element('a', labels.logs, { href: `/admin/logs/${encodeURIComponent(hostname)}` });
  link.setAttribute('aria-label', `${labels.logsOf} ${hostname}`);
  logs.append(link);
  row.append(name, state, ...Array.from({ length: 5 }, makeCell), logs);
  return row;
}

/** With the role that its display takes from it. */
function makeCell() {
  return element('td', '', { role: 'cell' });
}

/** What it needs somebody for; most need nobody. */
function showWhy(cell, text) {
  const known = cell.querySelector('.why');
  if (text === '') known?.remove();
  else if (known) setText(known, text);
  else cell.append(element('span', text, { className: 'under why' }));
}

function showPerson(cell, assignment, labels) {
  const state = assignment ? labels.assignment[assignment.state] : labels.nobody;
  const email = assignment?.email ?? '';
  const under = cell.querySelector('.under');
  if (cell.dataset.email === email && under?.textContent === state) return;
  setData(cell, 'email', email);
  cell.replaceChildren(email, element('span', state, { className: 'under' }));
}

function showSeen(cell, timestamp, labels) {
  if (timestamp === null) return setText(cell, labels.never);
  const known = cell.querySelector('time');
  if (known) return setTime(known, timestamp);
  const time = element('time', '');
  time.dataset.local = 'ago';
  cell.replaceChildren(time);
  setTime(time, timestamp);
}

function startupText({ provisioning_seconds, cloud_init_seconds, container_seconds }, labels) {
  return [
    [labels.parts.provisioning, provisioning_seconds],
    [labels.parts.cloud_init, cloud_init_seconds],
    [labels.parts.container, container_seconds],
  ]
    .filter(([, seconds]) => seconds !== null)
    .map(([label, seconds]) => `${label}\u00a0${say(sayNumber(seconds), 's')}`)
    .join(', ');
}

/** What takes too long says so without being told again. */
export function showOverdue(row, labels, now) {
  if (row.dataset.deadline === undefined) return;
  const { activity, since, due_at: dueAt } = JSON.parse(row.dataset.deadline);
  if (now <= Date.parse(dueAt)) return;
  const minutes = Math.floor((now - Date.parse(since)) / MINUTE_MS);
  const { one, many } = labels.minutes;
  const took = minutes === 1 ? one : many.replace('{n}', minutes);
  setData(row, 'attention', '');
  showWhy(row.cells[1], labels.overdue[activity].replace('{for}', took));
}

function setTime(time, timestamp) {
  if (time.getAttribute('datetime') !== timestamp) time.dateTime = timestamp;
  setText(time, ago(timestamp));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setData(element, name, value) {
  if (value === null) delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}

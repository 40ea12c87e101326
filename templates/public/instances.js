// Keeps the table of machines up to date: one stream, rows by hostname. What comes is put in once per frame, and only
// cells that differ are touched, so that a thousand machines stay smooth and focus stays. Text, never markup.
import { ago, tellAgo } from './ago.js';
import { showConnection } from './connection.js';
import { element } from './elements.js';
import { createFilter } from './machine-filter.js';
import { localizeTimes } from './times.js';

const RETRY_MS = 3_000;
const TICK_MS = 15_000;
const MINUTE_MS = 60_000;

const section = document.querySelector('[data-stream]');
const body = section.querySelector('tbody');
const labels = JSON.parse(section.dataset.labels);
const rows = new Map([...body.rows].map((row) => [row.dataset.hostname, row]));
const pending = new Map();
let frame = 0;
const filter = createFilter({ section, body, rows, labels });

follow(section.dataset.stream);
setInterval(tick, TICK_MS);

function follow(address) {
  const stream = new EventSource(address);
  let last = null;
  stream.addEventListener('vms', (event) => {
    if (event.lastEventId !== '') last = event.lastEventId;
    take(JSON.parse(event.data));
  });
  stream.onopen = () => showConnection(true);
  stream.onerror = () => {
    showConnection(false);
    // The browser comes again by itself, unless the server refused.
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(
      () => follow(last === null ? '/api/v1/vms/events' : `/api/v1/vms/events?after=${last}`),
      RETRY_MS,
    );
  };
  addEventListener('pagehide', () => stream.close(), { once: true });
}

function take({ all, changed, gone }) {
  for (const machine of changed) pending.set(machine.hostname, machine);
  const known = new Set(all ?? []);
  const missing = all === null ? gone : [...rows.keys()].filter((hostname) => !known.has(hostname));
  for (const hostname of missing) pending.set(hostname, null);
  // A machine that the page has missed: everything is read once more.
  if (all?.some((hostname) => !rows.has(hostname) && !pending.has(hostname))) void readAll();
  frame ||= requestAnimationFrame(draw);
}

async function readAll() {
  const answer = await fetch('/api/v1/vms?limit=1000', { headers: { Accept: 'application/json' } });
  if (answer.ok) take({ all: null, changed: (await answer.json()).items, gone: [] });
}

function draw() {
  frame = 0;
  let isNew = false;
  for (const [hostname, machine] of pending) {
    if (machine === null) {
      rows.get(hostname)?.remove();
      rows.delete(hostname);
      isNew = true;
    } else {
      isNew = show(machine) || isNew;
    }
  }
  pending.clear();
  filter.changed(isNew);
}

/** Returns whether the row is new. */
function show(machine) {
  const { hostname, status, assignment } = machine;
  const row = rows.get(hostname) ?? makeRow(machine);
  const isNew = !rows.has(hostname);
  rows.set(hostname, row);
  setData(row, 'status', status);
  setData(row, 'attention', machine.attention ? '' : null);
  setData(row, 'deadline', machine.deadline ? JSON.stringify(machine.deadline) : null);
  const [, state, person, use, gpu, seen, startup] = row.cells;
  const badge = state.querySelector('.status');
  setData(badge, 'status', status);
  setText(badge, labels.vm[status]);
  setTime(state.querySelector('time'), machine.status_since);
  setText(state.querySelector('.why'), machine.attention?.message ?? '');
  showPerson(person, assignment);
  setText(use, machine.in_use === null ? labels.notSaid : machine.in_use ? labels.yes : labels.no);
  setText(gpu, machine.gpu_health ?? labels.notSaid);
  showSeen(seen, machine.last_seen_at);
  setData(startup, 'total', String(machine.timings.total_seconds ?? ''));
  setText(startup, startupText(machine.timings));
  showOverdue(row, Date.now());
  if (isNew) body.append(row);
  return isNew;
}

function makeRow({ hostname, provider }) {
  const row = element('tr', '', { role: 'row' });
  row.dataset.hostname = hostname;
  const name = element('th', '', { scope: 'row', role: 'rowheader' });
  name.append(
    element('a', hostname, { href: `/admin/vms/${encodeURIComponent(hostname)}` }),
    element('span', provider, { className: 'under' }),
  );
  const state = makeCell();
  const time = element('time', '', { className: 'under' });
  time.dataset.local = 'ago';
  state.append(
    element('span', '', { className: 'status' }),
    ' ',
    time,
    element('span', '', { className: 'under why' }),
  );
  const logs = makeCell();
  const link = element('a', '', { href: `/admin/logs/${encodeURIComponent(hostname)}` });
  const shown = element('span', labels.logs);
  shown.ariaHidden = 'true';
  link.append(element('span', `${labels.logsOf} ${hostname}`, { className: 'visually-hidden' }), shown);
  logs.append(link);
  row.append(name, state, ...Array.from({ length: 5 }, makeCell), logs);
  return row;
}

/** With the role that its display takes from it. */
function makeCell() {
  return element('td', '', { role: 'cell' });
}

function showPerson(cell, assignment) {
  const state = assignment ? labels.assignment[assignment.state] : labels.nobody;
  const email = assignment?.email ?? '';
  const under = cell.querySelector('.under');
  if (cell.dataset.email === email && under?.textContent === state) return;
  setData(cell, 'email', email);
  cell.replaceChildren(email, element('span', state, { className: 'under' }));
}

function showSeen(cell, timestamp) {
  if (timestamp === null) return setText(cell, labels.never);
  const known = cell.querySelector('time');
  if (known) return setTime(known, timestamp);
  const time = element('time', '');
  time.dataset.local = 'ago';
  cell.replaceChildren(time);
  setTime(time, timestamp);
}

function startupText({ provisioning_seconds, cloud_init_seconds, container_seconds }) {
  return [
    [labels.parts.provisioning, provisioning_seconds],
    [labels.parts.cloud_init, cloud_init_seconds],
    [labels.parts.container, container_seconds],
  ]
    .filter(([, seconds]) => seconds !== null)
    .map(
      ([label, seconds]) =>
        `${label} ${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`,
    )
    .join(', ');
}

/** What takes too long says so without being told again. */
function showOverdue(row, now) {
  if (row.dataset.deadline === undefined) return;
  const { what, since, at } = JSON.parse(row.dataset.deadline);
  if (now <= Date.parse(at)) return;
  const minutes = Math.floor((now - Date.parse(since)) / MINUTE_MS);
  const took = minutes === 1 ? '1 minute' : `${minutes} minutes`;
  setData(row, 'attention', '');
  setText(row.querySelector('.why'), labels.overdue[what].replace('{for}', took));
}

function tick() {
  const now = Date.now();
  tellAgo(body, now);
  for (const row of rows.values()) showOverdue(row, now);
  filter.changed(false);
}

function setTime(time, timestamp) {
  if (time.getAttribute('datetime') !== timestamp) {
    time.dateTime = timestamp;
    localizeTimes(time.parentElement);
  }
  setText(time, ago(timestamp));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setData(element, name, value) {
  if (value === null) delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}

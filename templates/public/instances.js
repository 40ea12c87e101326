// Keeps the table of machines up to date: one stream, rows by hostname. What comes is put in once per frame, and only
// cells that differ are touched, so that a thousand machines stay smooth and focus stays.
import { tellAgo } from './ago.js';
import { showConnection } from './connection.js';
import { createFilter } from './machine-filter.js';
import { fillRow, makeRow, showOverdue } from './machine-row.js';

const RETRY_MS = 3_000;
const TICK_MS = 15_000;

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
  const known = rows.get(machine.hostname);
  const row = known ?? makeRow(machine, labels);
  fillRow(row, machine, labels);
  if (known) return false;
  rows.set(machine.hostname, row);
  body.append(row);
  return true;
}

function tick() {
  const now = Date.now();
  tellAgo(body, now);
  for (const row of rows.values()) showOverdue(row, labels, now);
  filter.changed(false);
}

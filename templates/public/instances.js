// Keeps the table of machines up to date: one stream, rows by hostname. The machines that the page did not come with are
// read once. What comes is put in a part with every frame, and only cells that differ are touched, so that a thousand
// machines stay smooth and focus stays.
import { showConnection } from './connection.js';
import { createFilter } from './machine-filter.js';
import { fillRow, makeRow, showOverdue } from './machine-row.js';
import { keepPlace } from './place.js';
import { tellAgo } from './spans.js';

const RETRY_MS = 3_000;
const TICK_MS = 15_000;
const ROWS_PER_FRAME = 100;

const section = document.querySelector('[data-stream]');
const body = section.querySelector('tbody');
const labels = JSON.parse(section.dataset.labels);
const rows = new Map([...body.rows].map((row) => [row.dataset.hostname, row]));
const pending = new Map();
let frame = 0;
let isNew = false;
/** Whether rows and what waits to be drawn are all machines. */
let isComplete = 'whole' in section.dataset;
let goToPlace = isComplete ? null : keepPlace();
/** What goes while everything is read, which may still hold it; null = nothing is read. */
let goneMeanwhile = null;
const filter = createFilter({ section, body, rows, labels });

follow(section.dataset.stream);
// A stream from the beginning tells everything by itself.
if (!isComplete && section.dataset.stream.includes('after=')) void readAll();
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
  for (const hostname of missing) {
    pending.set(hostname, null);
    goneMeanwhile?.add(hostname);
  }
  if (all?.some(isMissed)) void readAll();
  else if (all) isComplete = true;
  frame ||= requestAnimationFrame(draw);
}

function isMissed(hostname) {
  return !rows.has(hostname) && !pending.has(hostname);
}

/** Only what is missed is taken of it: of the others the stream has told what is newer. */
async function readAll() {
  if (goneMeanwhile) return;
  goneMeanwhile = new Set();
  try {
    let after = null;
    do {
      const { items, next } = await readPage(after);
      const missed = items.filter(({ hostname }) => isMissed(hostname) && !goneMeanwhile.has(hostname));
      take({ all: null, changed: missed, gone: [] });
      after = next;
    } while (after !== null);
    isComplete = true;
  } catch {
    setTimeout(readAll, RETRY_MS);
  }
  goneMeanwhile = null;
}

async function readPage(after) {
  const search = new URLSearchParams({ limit: 1_000, ...(after !== null && { after }) });
  const answer = await fetch(`/api/v1/vms?${search}`, { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`the machines were not told: ${answer.status}`);
  return answer.json();
}

function draw() {
  let drawn = 0;
  for (const [hostname, machine] of pending) {
    if (drawn === ROWS_PER_FRAME) break;
    drawn += 1;
    pending.delete(hostname);
    show(hostname, machine);
  }
  frame = pending.size > 0 ? requestAnimationFrame(draw) : 0;
  if (isComplete && frame === 0) section.dataset.whole = '';
  filter.changed({ isNew, isDone: frame === 0 });
  if (frame > 0) return;
  isNew = false;
  if (!isComplete) return;
  goToPlace?.();
  goToPlace = null;
}

/** A machine that is null has gone. */
function show(hostname, machine) {
  const known = rows.get(hostname);
  if (machine !== null) {
    const row = known ?? makeRow(machine, labels);
    fillRow(row, machine, labels);
    if (known) return;
    rows.set(hostname, row);
    body.append(row);
  } else {
    known?.remove();
    rows.delete(hostname);
  }
  isNew = true;
}

function tick() {
  const now = Date.now();
  tellAgo(body, now);
  for (const row of rows.values()) showOverdue(row, labels, now);
  filter.changed({ isNew: false, isDone: true });
}

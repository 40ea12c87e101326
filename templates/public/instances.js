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
const READ_MS = 30_000;

const section = document.querySelector('[data-stream]');
const body = section.querySelector('tbody');
const labels = JSON.parse(section.dataset.labels);
const rows = new Map([...body.rows].map((row) => [row.dataset.hostname, row]));
const pending = new Map();
let frame = 0;
let isNew = false;
/** Whether rows and what waits to be drawn are all machines. */
let isComplete = 'whole' in section.dataset;
let goToPlace = keepPlace(rows);
/** What is told while everything is read, whose answer may be older; null = nothing is read. */
let meanwhile = null;
/** Where the stream goes on. */
let last = null;
const filter = createFilter({ section, body, rows, labels });

// Before the stream: where other tabs have taken all connections but one, the stream would keep that for itself. A stream
// from the beginning tells everything.
if (!isComplete && section.dataset.stream.includes('after=')) void readAll();
follow(section.dataset.stream);
setInterval(tick, TICK_MS);
if (isComplete) arrive();
// Out of the browser's cache: the stream was closed.
addEventListener('pageshow', ({ persisted }) => persisted && follow(nextAddress()));

function follow(address) {
  const stream = new EventSource(address);
  stream.addEventListener('vms', (event) => {
    if (event.lastEventId !== '') last = event.lastEventId;
    take(JSON.parse(event.data));
  });
  stream.onopen = () => showConnection(true);
  stream.onerror = () => {
    showConnection(false);
    // The browser comes again by itself, unless the server refused.
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(() => follow(nextAddress()), RETRY_MS);
  };
  addEventListener('pagehide', () => stream.close(), { once: true });
}

function nextAddress() {
  return last === null ? '/api/v1/vms/events' : `/api/v1/vms/events?after=${last}`;
}

function take({ all, changed, gone }) {
  for (const machine of changed) pending.set(machine.hostname, machine);
  const known = all && new Set(all);
  if (meanwhile && known) meanwhile.all = known;
  // What waits to be drawn can have gone too: in a tab that nobody looks at nothing is drawn.
  const missing = known ? [...rows.keys(), ...pending.keys()].filter((name) => !known.has(name)) : gone;
  for (const hostname of missing) {
    pending.set(hostname, null);
    meanwhile?.gone.add(hostname);
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
  if (meanwhile) return;
  meanwhile = { gone: new Set(), all: null };
  try {
    let after = null;
    do {
      const { items, next } = await readPage(after);
      const { gone, all } = meanwhile;
      const isThere = (hostname) => !gone.has(hostname) && (all === null || all.has(hostname));
      const missed = items.filter(({ hostname }) => isMissed(hostname) && isThere(hostname));
      take({ all: null, changed: missed, gone: [] });
      after = next;
    } while (after !== null);
    isComplete = true;
  } catch {
    setTimeout(readAll, RETRY_MS);
  }
  meanwhile = null;
}

async function readPage(after) {
  const search = new URLSearchParams({ limit: 1_000, ...(after !== null && { after }) });
  const answer = await fetch(`/api/v1/vms?${search}`, {
    headers: { Accept: 'application/json' },
    signal: AbortSignal.timeout(READ_MS),
  });
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
  if (isComplete) arrive();
}

function arrive() {
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

// Keeps a dashboard up to date: one stream for the operation's output and for the machines. What the server says goes in
// as text, never as markup.
const RETRY_MS = 5_000;
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

// The page came as the answer to a form: loading it again must not send the form again.
if (operation) history.replaceState(null, '', operation.dataset.operation);
for (const live of document.querySelectorAll('[data-live]')) live.hidden = false;
output?.scrollTo(0, output.scrollHeight);
if (monitor) follow(monitor.dataset.stream);

function follow(address) {
  const stream = new EventSource(address);
  let last = null;
  const on = (name, show) =>
    stream.addEventListener(name, (event) => {
      if (event.lastEventId !== '') last = event.lastEventId;
      show(JSON.parse(event.data));
    });
  on('output', showLine);
  on('operation', showOperation);
  on('end', showOperation);
  on('vms', showMachines);
  stream.onopen = () => showOffline(false);
  stream.onerror = () => {
    showOffline(true);
    // The browser comes again by itself, unless the server refused.
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(() => follow(continuing(address, last)), RETRY_MS);
  };
  addEventListener('pagehide', () => stream.close(), { once: true });
}

function continuing(address, last) {
  const url = new URL(address, location.href);
  if (last !== null) url.searchParams.set('after', last);
  return url.pathname + url.search;
}

function showOffline(isOffline) {
  const note = monitor.querySelector('[data-offline]');
  note.hidden = !isOffline;
  note.textContent = isOffline ? labels.offline : '';
}

function showLine({ at, level, hostname, text }) {
  const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < NEAR_END_PX;
  const line = document.createElement('li');
  line.dataset.level = level;
  line.append(element('time', at.slice(11, 19), { dateTime: at }), ' ');
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
  const bar = operation.querySelector('progress');
  bar.max = Math.max(progress.total, 1);
  if (progress.total > 0) bar.value = progress.done + progress.failed;
  else if (!isActive) bar.value = 1;
  const cancel = operation.querySelector('[data-cancel]');
  if (cancel) cancel.hidden = !isActive || cancel_requested_at !== null;
  for (const live of document.querySelectorAll('[data-live]')) live.hidden = !isActive;
}

function showMachines({ all, changed, gone }) {
  const missing = all === null ? gone : [...rows.keys()].filter((hostname) => !all.includes(hostname));
  for (const hostname of missing) {
    rows.get(hostname)?.remove();
    rows.delete(hostname);
  }
  for (const machine of changed) showMachine(machine);
  monitor.querySelector('[data-table]').hidden = rows.size === 0;
  monitor.querySelector('[data-none]').hidden = rows.size > 0;
}

function showMachine(machine) {
  const { hostname, status, assignment, in_use, gpu_health } = machine;
  const row = document.createElement('tr');
  row.dataset.hostname = hostname;
  const name = element('th', '', { scope: 'row' });
  const link = element('a', '', { href: `/admin/logs/${encodeURIComponent(hostname)}` });
  link.append(element('span', `${labels.logsOf} `, { className: 'visually-hidden' }), hostname);
  name.append(link);
  const state = element('span', labels.vm[status], { className: 'status' });
  state.dataset.status = status;
  const participant = assignment
    ? document.createTextNode(assignment.email)
    : element('span', labels.nobody, { className: 'under' });
  const used = in_use === null ? labels.notSaid : in_use ? labels.yes : labels.no;
  row.append(name, cell(state), cell(participant), cell(used), cell(gpu_health ?? labels.notSaid));
  const old = rows.get(hostname);
  rows.set(hostname, row);
  if (old) old.replaceWith(row);
  else insertInOrder(row);
}

/** By hostname, as the server sorts them. */
function insertInOrder(row) {
  const body = monitor.querySelector('tbody');
  const next = [...body.rows].find((other) => other.dataset.hostname > row.dataset.hostname);
  body.insertBefore(row, next ?? null);
}

function cell(content) {
  const made = document.createElement('td');
  made.append(content);
  return made;
}

function element(name, text, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.textContent = text;
  return made;
}

/** A status line that did not change is not read aloud again. */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

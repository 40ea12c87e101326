// Keeps the table of machines up to date: one stream, rows by hostname. Machines that the page did not come with are read
// once. What comes is drawn in parts, one with every frame, and only cells that differ are touched, so that a thousand
// machines stay smooth and the focus stays.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { dataOf, need } from '../dom.ts';
import { followStream } from '../event-stream.ts';
import { updateAges } from '../local-times.ts';
import { fillRow, makeEntry, readEntry, showOverdue } from '../machine-row.ts';
import { createMachineTable } from '../machine-table.ts';
import { keepScrollPosition } from '../scroll-position.ts';

type Vm = Schema<'Vm'>;
type Meanwhile = { readonly gone: Set<string>; all: ReadonlySet<string> | null };

const RETRY_MS = 3_000;
const TICK_MS = 15_000;
const ROWS_PER_FRAME = 100;
const READ_MS = 30_000;
const READ_LIMIT = 1_000;

const section = need(HTMLElement, '[data-stream]');
const body = need(HTMLTableSectionElement, 'tbody', section);
const newRow = need(HTMLTemplateElement, '[data-new-row]', section);
const entries = new Map([...body.rows].map((row) => [dataOf(row, 'hostname'), readEntry(row)]));
/** Machines that wait to be drawn; null = the machine has gone. */
const pending = new Map<string, Vm | null>();
let frame = 0;
let isNew = false;
/** Whether the rows and what waits to be drawn are all machines. */
let isComplete = section.dataset['whole'] !== undefined;
/** What the stream sends while everything is read, whose answer may be older; null = nothing is read. */
let meanwhile: Meanwhile | null = null;

const table = createMachineTable({ section, body, entries });
const restoreScroll = keepScrollPosition(entries);

const stream = dataOf(section, 'stream');
// Before the stream: where other tabs have taken all connections but one, the stream would keep that for itself. A stream
// without `after` sends all machines by itself.
if (!isComplete && stream.includes('after=')) void readAll();
followStream(stream, { vms: (data) => take(readAnswer('VmChanges', data)) });
setInterval(tick, TICK_MS);
if (isComplete) restoreScroll();

function take({ all, changed, gone }: Schema<'VmChanges'>): void {
  for (const machine of changed) pending.set(machine.hostname, machine);
  const known = all && new Set(all);
  if (meanwhile && known) meanwhile.all = known;
  // What waits to be drawn can have gone too: nothing is drawn in a tab that nobody looks at.
  const missing = known ? [...entries.keys(), ...pending.keys()].filter((name) => !known.has(name)) : gone;
  for (const hostname of missing) {
    pending.set(hostname, null);
    meanwhile?.gone.add(hostname);
  }
  if (all?.some(isMissed)) void readAll();
  else if (all) isComplete = true;
  frame ||= requestAnimationFrame(draw);
}

function isMissed(hostname: string): boolean {
  return !entries.has(hostname) && !pending.has(hostname);
}

/** Only machines that are missed are taken from the answer: of the others the stream has sent what is newer. */
async function readAll(): Promise<void> {
  if (meanwhile) return;
  const seen: Meanwhile = { gone: new Set(), all: null };
  meanwhile = seen;
  try {
    let after: string | null = null;
    do {
      const page: Schema<'VmPage'> = await readPage(after);
      const isThere = (hostname: string) =>
        !seen.gone.has(hostname) && (seen.all === null || seen.all.has(hostname));
      const missed = page.items.filter(({ hostname }) => isMissed(hostname) && isThere(hostname));
      take({ all: null, changed: missed, gone: [] });
      after = page.next;
    } while (after !== null);
    isComplete = true;
  } catch {
    setTimeout(() => void readAll(), RETRY_MS);
  }
  meanwhile = null;
}

async function readPage(after: string | null): Promise<Schema<'VmPage'>> {
  const search = new URLSearchParams({ limit: String(READ_LIMIT), ...(after !== null && { after }) });
  const answer = await fetch(`/api/v1/vms?${search.toString()}`, {
    headers: { Accept: 'application/json' },
    signal: AbortSignal.timeout(READ_MS),
  });
  if (!answer.ok) throw new Error(`the machines could not be read: ${answer.status}`);
  return readAnswer('VmPage', await answer.text());
}

function draw(): void {
  let drawn = 0;
  for (const [hostname, machine] of pending) {
    if (drawn === ROWS_PER_FRAME) break;
    drawn += 1;
    pending.delete(hostname);
    show(hostname, machine);
  }
  frame = pending.size > 0 ? requestAnimationFrame(draw) : 0;
  const isDone = frame === 0;
  if (isComplete && isDone) section.dataset['whole'] = '';
  table.changed({ isNew, isDone });
  if (!isDone) return;
  isNew = false;
  if (isComplete) restoreScroll();
}

/** `machine` is null where it has gone. */
function show(hostname: string, machine: Vm | null): void {
  const known = entries.get(hostname);
  if (machine === null) {
    known?.row.remove();
    entries.delete(hostname);
    isNew = true;
  } else if (known) fillRow(known, machine);
  else {
    const entry = makeEntry(newRow, machine);
    entries.set(hostname, entry);
    body.append(entry.row);
    isNew = true;
  }
}

function tick(): void {
  const now = new Date();
  updateAges(body, now);
  for (const entry of entries.values()) showOverdue(entry, now);
  table.changed({ isNew: false, isDone: true });
}

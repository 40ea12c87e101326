// The pages in Chromium: their first paint; then the delay and the frame times of the live pages, with 1,000 machines that
// change 50 times a second, and with a log of 5,000 lines a second.
import type { Page } from 'playwright-core';
import { Client } from 'pg';
import type { Lifecycle } from '../src/lifecycle.ts';
import { acquireGenerator } from './load/generator.ts';
import { atMost, notMeasured, type Bench, type Measurement, type Row } from './measurement.ts';
import { firstPaints } from './paint.ts';
import { percentile } from './statistics.ts';
import { acquireAllocator, type Allocator } from './support/allocator.ts';
import { findChromium } from '../test/support/chromium.ts';
import { acquireBrowser } from './support/browser.ts';
import { acquireDatabase } from './support/database.ts';
import { acquireFolder } from './support/folder.ts';

const MACHINES = 1_000;
const CHANGES_PER_SECOND = 50;
const SECONDS = 15;
/** After this time, the page shows the last change. */
const REST_MS = 3_000;
/** If the page shows a smaller share of the changes, nothing was measured. */
const SEEN_SHARE_MIN = 0.1;
const LINES_PER_SECOND = 5_000;
const LAG_GOAL_MS = 1_000;
const FRAME_GOAL_MS = 50;
const PASSWORD = 'a password for the bench';

export const pages: Measurement = {
  name: 'pages',
  about: `the live pages in Chromium: ${MACHINES} machines, ${CHANGES_PER_SECOND} changes a second; a log of ${LINES_PER_SECOND} lines a second`,
  limitSeconds: 360,
  run: async (bench) => {
    const executable = findChromium();
    if (executable === null)
      return [
        notMeasured('Live pages', 'Install Chromium (`apt-get install chromium`), or name one in CHROMIUM.'),
      ];
    const { lifecycle } = bench;
    const folder = await acquireFolder(lifecycle);
    const allocator = await acquireAllocator(lifecycle, folder, { ADMIN_PASSWORD: PASSWORD });
    const database = await acquireDatabase(lifecycle, allocator.connectionString);
    const browser = await acquireBrowser(lifecycle, executable);
    const paints = await firstPaints(
      lifecycle,
      browser,
      { url: `http://127.0.0.1:${allocator.port}`, username: 'admin', password: PASSWORD },
      (machines) => database.freshVms(machines),
    );
    const hostnames = await database.freshVms(MACHINES);
    for (const { what, measured } of paints) bench.say(`${what}: ${measured}`);
    const context = await browser.newContext({
      httpCredentials: { username: 'admin', password: PASSWORD },
      viewport: { width: 1280, height: 900 },
    });
    const open = async (path: string, script: string): Promise<Page> => {
      const page = await context.newPage();
      await page.addInitScript(script);
      await page.goto(`http://127.0.0.1:${allocator.port}${path}`);
      return page;
    };
    const table = await open('/admin/instances', `${FRAMES}${ROWS}`);
    const changes = await measureChanges(lifecycle, table, { allocator, hostnames });
    await table.close();
    bench.say(`${changes[0]?.what ?? ''}: ${changes[0]?.measured ?? ''}`);
    const [hostname = ''] = hostnames;
    const log = await open(`/admin/logs/${hostname}`, `${FRAMES}${LOG}`);
    return [...paints, ...changes, ...(await measureLog(bench, log, { port: allocator.port, hostname }))];
  },
};

/** Records how long each frame takes. */
const FRAMES = `
  window.frames_ = [];
  let last = performance.now();
  const frame = () => {
    const now = performance.now();
    window.frames_.push(now - last);
    last = now;
    window.onFrame_?.();
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
`;

/** Records when the page shows a machine with a new status: the time of the first frame after the change of the page. */
const ROWS = `
  window.seen_ = [];
  const nameOf = (row) => row.dataset.hostname ?? row.querySelector('th')?.textContent.trim().split(/\\s+/).at(-1);
  const rowsOf = ({ target, addedNodes }) => {
    const element = target.nodeType === 1 ? target : target.parentElement;
    const added = [...addedNodes].filter((node) => node.nodeType === 1);
    return [element?.closest('tr'), ...added.flatMap((node) => (node.matches('tr') ? [node] : [...node.querySelectorAll('tr')]))];
  };
  new MutationObserver((records) => {
    const rows = new Set(records.flatMap(rowsOf).filter((row) => row?.isConnected));
    requestAnimationFrame(() => {
      const at = Date.now();
      for (const row of rows) {
        const status = row.querySelector('[data-status]')?.dataset.status;
        if (status) window.seen_.push({ hostname: nameOf(row), status, at });
      }
    });
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-status'], characterData: true });
`;

/** Records the age of the newest line at every frame. */
const LOG = `
  window.lags_ = [];
  window.onFrame_ = () => {
    const lines = document.querySelector('[data-log]')?.lastElementChild?.lastElementChild;
    const sent = /sent=(\\d+)/.exec(lines?.textContent ?? '')?.[1];
    if (sent) window.lags_.push({ lag: Date.now() - Number(sent), number: Number(lines.dataset.n) });
  };
`;

type Change = { readonly hostname: string; readonly status: string; readonly at: number };

async function measureChanges(
  lifecycle: Lifecycle,
  page: Page,
  { allocator, hostnames }: { readonly allocator: Allocator; readonly hostnames: readonly string[] },
): Promise<readonly Row[]> {
  const client = await lifecycle.acquire(
    'connection of the changes',
    async () => {
      const opened = new Client({ connectionString: allocator.connectionString });
      opened.on('error', () => undefined);
      await opened.connect();
      return opened;
    },
    (opened) => opened.end(),
  );
  // The first event of the stream contains all machines.
  await pause(REST_MS);
  await page.evaluate('frames_.length = 0, seen_.length = 0');
  const changes: Change[] = [];
  await paced(CHANGES_PER_SECOND * SECONDS, 1_000 / CHANGES_PER_SECOND, async (turn) => {
    const hostname = hostnames[turn % hostnames.length]!;
    const status = turn % 2 === 0 ? 'error' : 'initializing';
    await client.query('update vms set status = $2, status_since = now() where hostname = $1', [
      hostname,
      status,
    ]);
    changes.push({ hostname, status, at: Date.now() });
  });
  await pause(REST_MS);
  const frames = await page.evaluate<number[]>('frames_');
  const seen = await page.evaluate<Change[]>('seen_');
  const lags = changes.flatMap(({ hostname, status, at }) => {
    const shown = seen.find((each) => each.hostname === hostname && each.status === status);
    return shown ? [shown.at - at] : [];
  });
  const what = `${MACHINES} machines, ${CHANGES_PER_SECOND} changes a second: changed to seen, p50 / p95`;
  if (lags.length < changes.length * SEEN_SHARE_MIN)
    return [notMeasured(what, `The page showed ${lags.length} of ${changes.length} changes.`)];
  return [
    lagRow(what, lags, `${lags.length} of ${changes.length} changes were seen`),
    frameRow('machines', frames),
  ];
}

async function measureLog(
  { lifecycle }: Bench,
  page: Page,
  { port, hostname }: { readonly port: number; readonly hostname: string },
): Promise<readonly Row[]> {
  const generator = await acquireGenerator(lifecycle);
  await pause(REST_MS);
  await page.evaluate('frames_.length = 0');
  const { lines, seconds } = await generator.run('stream', {
    port,
    hostname,
    linesPerSecond: LINES_PER_SECOND,
    seconds: SECONDS,
  });
  const frames = await page.evaluate<number[]>('frames_');
  const lags = await page.evaluate<{ lag: number; number: number }[]>('lags_');
  const shown = lags.at(-1)?.number ?? 0;
  const what = `A log of ${LINES_PER_SECOND} lines a second: sent to seen, p50 / p95`;
  if (shown === 0) return [notMeasured(what, 'The page showed no line.')];
  const how = `${Math.round(lines / seconds)} lines a second were stored; the page showed line ${shown} of ${lines} last`;
  return [
    lagRow(
      what,
      lags.map(({ lag }) => lag),
      `age of the newest line at every frame; ${how}`,
    ),
    frameRow('log', frames),
  ];
}

function lagRow(what: string, lags: readonly number[], remark: string): Row {
  const [middle, most] = [percentile(lags, 0.5), percentile(lags, 0.95)];
  return {
    what,
    measured: `${Math.round(middle)} / ${Math.round(most)} ms`,
    goal: `p95 <= ${LAG_GOAL_MS} ms`,
    verdict: atMost(most, LAG_GOAL_MS),
    remark,
  };
}

function frameRow(name: string, frames: readonly number[]): Row {
  const [usual, slow, longest] = [percentile(frames, 0.5), percentile(frames, 0.99), Math.max(...frames)];
  return {
    what: `Frames meanwhile (${name}), p50 / p99 / longest`,
    measured: `${usual.toFixed(0)} / ${slow.toFixed(0)} / ${longest.toFixed(0)} ms`,
    goal: `p99 <= ${FRAME_GOAL_MS} ms`,
    verdict: atMost(slow, FRAME_GOAL_MS),
    remark: `${frames.length} frames, from one to the next; the browser paints in software`,
  };
}

/** Runs each piece of work at its time, or as soon as the one before is done. */
async function paced(count: number, everyMs: number, work: (turn: number) => Promise<void>): Promise<void> {
  const startedMs = performance.now();
  for (let turn = 0; turn < count; turn += 1) {
    await pause(startedMs + turn * everyMs - performance.now());
    await work(turn);
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, delayMs)));
}

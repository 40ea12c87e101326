// The first contentful paint of each page in Chromium, on loopback, with an empty cache, in an open and idle tab. Measured
// with as many machines as one launch can create, and with as many as a lab is designed for.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import type { Lifecycle } from '../src/lifecycle.ts';
import { atMost, notMeasured, type Row } from './measurement.ts';
import { percentile } from './statistics.ts';

const LOADS = 9;
const USUAL = 100;
const MOST = 1_000;
const GOAL_MS = 200;
const EMPTY = 'an empty page of a bare server';
const EMPTY_PAGE = '<!doctype html><html lang="en"><title>Empty</title><p>Nothing else.</p></html>';
const PAGES = [
  '/',
  '/check',
  '/admin',
  '/admin/instances',
  '/admin/create',
  '/admin/operations',
  '/admin/charts',
  '/admin/instances/delete',
  '/admin/fleet',
] as const;

/** Waits until a new tab is idle: the browser reports it some tens of milliseconds before it is ready. */
const AT_REST = `new Promise((resolve) => {
  requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(resolve)));
})`;

/** Waits for the entry of the first paint, which the browser adds a moment after the paint. */
const PAINTED = `new Promise((resolve) => {
  const check = () => {
    const [entry] = performance.getEntriesByName('first-contentful-paint');
    if (entry) resolve(entry.startTime);
    else requestAnimationFrame(check);
  };
  check();
})`;

export type Site = { readonly url: string; readonly username: string; readonly password: string };

/** Returns a row for each page, and one for an empty page. The database has `MOST` machines afterwards. */
export async function firstPaints(
  lifecycle: Lifecycle,
  browser: Browser,
  site: Site,
  fillLab: (machines: number) => Promise<unknown>,
): Promise<readonly Row[]> {
  const bare = { ...site, url: await acquireBareServer(lifecycle) };
  const timesOf = async (machines: number): Promise<Map<string, number[]>> => {
    await fillLab(machines);
    const times = new Map<string, number[]>([EMPTY, ...PAGES].map((path) => [path, []]));
    // All pages take turns, so that other load on the computer affects all of them.
    for (let load = 0; load < LOADS; load += 1) {
      times.get(EMPTY)?.push(await firstPaint(browser, bare, '/'));
      for (const path of PAGES) times.get(path)?.push(await firstPaint(browser, site, path));
    }
    return times;
  };
  const usual = await timesOf(USUAL);
  const most = await timesOf(MOST);
  const empty = [...(usual.get(EMPTY) ?? []), ...(most.get(EMPTY) ?? [])];
  return [emptyRow(empty), ...PAGES.map((path) => rowOf(path, usual.get(path) ?? [], most.get(path) ?? []))];
}

async function acquireBareServer(lifecycle: Lifecycle): Promise<string> {
  const server = await lifecycle.acquire<Server>(
    'bare server',
    async () => {
      const opened = createServer((_, res) => res.setHeader('Content-Type', 'text/html').end(EMPTY_PAGE));
      await once(opened.listen(0, '127.0.0.1'), 'listening');
      return opened;
    },
    (opened) => {
      opened.closeAllConnections();
      return new Promise((resolve) => void opened.close(() => resolve()));
    },
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function firstPaint(browser: Browser, site: Site, path: string): Promise<number> {
  const { url, username, password } = site;
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const context = await browser.newContext({
    // Not `httpCredentials`: with those, the driver intercepts every request.
    extraHTTPHeaders: { authorization },
    viewport: { width: 1280, height: 900 },
  });
  try {
    const page = await context.newPage();
    await page.evaluate(AT_REST);
    await page.goto(url + path);
    return await page.evaluate<number>(PAINTED);
  } finally {
    await context.close();
  }
}

function emptyRow(times: readonly number[]): Row {
  return {
    what: `First paint of ${EMPTY}`,
    measured: `${Math.round(percentile(times, 0.5))} ms`,
    goal: '',
    verdict: '',
    remark: 'the time of the browser itself, measured in turns with the pages',
  };
}

function rowOf(path: string, usual: readonly number[], most: readonly number[]): Row {
  const what = `First paint of ${path}, ${USUAL} / ${MOST} machines`;
  if (usual.length === 0 || most.length === 0) return notMeasured(what, 'It was not loaded.');
  const [middle, ofMost] = [percentile(usual, 0.5), percentile(most, 0.5)];
  return {
    what,
    measured: `${Math.round(middle)} / ${Math.round(ofMost)} ms`,
    goal: `<= ${GOAL_MS} ms`,
    verdict: atMost(Math.max(middle, ofMost), GOAL_MS),
    remark: `medians of ${usual.length} loads with an empty cache; the longest took ${Math.round(Math.max(...usual, ...most))} ms`,
  };
}

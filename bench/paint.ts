// How soon each page is seen: first contentful paint in Chromium on loopback, with nothing in its cache, in a tab that is
// there and at rest, as a reader's is; with as many machines as a launch makes at most, and with the most that a lab is
// made for.
import type { Browser } from 'playwright-core';
import { atMost, notMeasured, type Row } from './measurement.ts';
import { percentile } from './statistics.ts';

const LOADS = 9;
const USUAL = 100;
const MOST = 1_000;
const GOAL_MS = 200;
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

/** The browser makes a new tab for some tens of milliseconds more after it says that it is there. */
const AT_REST = `new Promise((resolve) => {
  requestIdleCallback(() => requestAnimationFrame(() => requestAnimationFrame(resolve)));
})`;

/** The paint is told a moment after it was; the page is asked until it was. */
const PAINTED = `new Promise((resolve) => {
  const look = () => {
    const [entry] = performance.getEntriesByName('first-contentful-paint');
    if (entry) resolve(entry.startTime);
    else requestAnimationFrame(look);
  };
  look();
})`;

/** A row for each page. Leaves the most machines. */
export async function firstPaints(
  browser: Browser,
  server: { readonly url: string; readonly username: string; readonly password: string },
  fillLab: (machines: number) => Promise<unknown>,
): Promise<readonly Row[]> {
  const timesOf = async (machines: number): Promise<Map<string, number[]>> => {
    await fillLab(machines);
    const times = new Map<string, number[]>(PAGES.map((path) => [path, []]));
    // Page after page, so that what else the computer does meets all of them.
    for (let load = 0; load < LOADS; load += 1)
      for (const path of PAGES) times.get(path)?.push(await firstPaint(browser, server, path));
    return times;
  };
  const usual = await timesOf(USUAL);
  const most = await timesOf(MOST);
  return PAGES.map((path) => rowOf(path, usual.get(path) ?? [], most.get(path) ?? []));
}

async function firstPaint(
  browser: Browser,
  { url, username, password }: Parameters<typeof firstPaints>[1],
  path: string,
): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const context = await browser.newContext({
    // Not as credentials: for those the driver stops every request on its way.
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

function rowOf(path: string, usual: readonly number[], most: readonly number[]): Row {
  const what = `First paint of ${path}, ${USUAL} / ${MOST} machines`;
  if (usual.length === 0 || most.length === 0) return notMeasured(what, 'It was not loaded.');
  const [middle, ofMost] = [percentile(usual, 0.5), percentile(most, 0.5)];
  return {
    what,
    measured: `${Math.round(middle)} / ${Math.round(ofMost)} ms`,
    goal: `<= ${GOAL_MS} ms`,
    verdict: atMost(middle, GOAL_MS),
    remark: `medians of ${usual.length} loads with an empty cache; the longest took ${Math.round(Math.max(...usual, ...most))} ms`,
  };
}

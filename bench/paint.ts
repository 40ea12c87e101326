// How soon each page is seen: first contentful paint in Chromium on loopback, with nothing in its cache.
import type { Browser } from 'playwright-core';
import { atMost, notMeasured, type Row } from './measurement.ts';
import { percentile } from './statistics.ts';

const LOADS = 5;
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

/** The paint is told a moment after it was; the page is asked until it was. */
const PAINTED = `new Promise((resolve) => {
  const look = () => {
    const [entry] = performance.getEntriesByName('first-contentful-paint');
    if (entry) resolve(entry.startTime);
    else requestAnimationFrame(look);
  };
  look();
})`;

/** A row for each page: the median and the longest of several loads. */
export async function firstPaints(
  browser: Browser,
  server: { readonly url: string; readonly username: string; readonly password: string },
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const path of PAGES) {
    const times: number[] = [];
    for (let load = 0; load < LOADS; load += 1) times.push(await firstPaint(browser, server, path));
    rows.push(rowOf(path, times));
  }
  return rows;
}

async function firstPaint(
  browser: Browser,
  { url, username, password }: Parameters<typeof firstPaints>[1],
  path: string,
): Promise<number> {
  const context = await browser.newContext({
    httpCredentials: { username, password, send: 'always' },
    viewport: { width: 1280, height: 900 },
  });
  try {
    const page = await context.newPage();
    await page.goto(url + path);
    return await page.evaluate<number>(PAINTED);
  } finally {
    await context.close();
  }
}

function rowOf(path: string, times: readonly number[]): Row {
  const what = `First paint of ${path}`;
  if (times.length === 0) return notMeasured(what, 'It was not loaded.');
  const middle = percentile(times, 0.5);
  return {
    what,
    measured: `${Math.round(middle)} ms`,
    goal: `<= ${GOAL_MS} ms`,
    verdict: atMost(middle, GOAL_MS),
    remark: `median of ${times.length} loads with an empty cache; the longest took ${Math.round(Math.max(...times))} ms`,
  };
}

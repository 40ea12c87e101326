// Every page in every state, on a phone and on a desktop, light and dark, in a real browser: nothing that the content
// security policy stops, nothing that axe finds, nothing wider than the window. With SCREENSHOTS naming a folder, a picture
// of each is written there (`make screenshots`).
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findWithAxe } from '../support/axe.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { adminScreens } from './admin.ts';
import { errorScreens } from './errors.ts';
import { fleetScreens } from './fleet.ts';
import { participantScreens } from './participant.ts';
import type { Screen } from './screen.ts';

const folder = process.env['SCREENSHOTS'];
const screens: readonly Screen[] = [...participantScreens, ...adminScreens, ...fleetScreens, ...errorScreens];

const phone = { name: 'phone', viewport: { width: 360, height: 740 }, colorScheme: 'light' } as const;
const desktop = { name: 'desktop', viewport: { width: 1280, height: 800 }, colorScheme: 'light' } as const;
const dark = { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' } as const;
const darkPhone = { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' } as const;
/** The two opposites find what there is to find; pictures are taken of all. */
const windows = folder === undefined ? [phone, dark] : [phone, desktop, dark, darkPhone];

type Window = (typeof windows)[number];

const workshop = {
  WORKSHOP_TITLE: 'Tracking animals with SLEAP',
  WORKSHOP_INSTRUCTIONS:
    'Welcome! Take a seat, open this page on the computer that you will work on, and follow the three steps.\n\nThe material is at https://example.org/workshop/material.',
  WORKSHOP_CONTACT: 'workshop@example.org',
};

/** Axe on a thousand rows takes its time, with other tests beside it. */
describe.skipIf(!hasBrowser)('the screen', { timeout: 120_000 }, () => {
  let server: TestServer;
  let fleet: FleetServer;
  let browser: Browser;
  let open: ReturnType<typeof createContexts>;

  beforeAll(async () => {
    if (folder !== undefined) await mkdir(folder, { recursive: true });
    server = await startTestServer(workshop);
    fleet = await startFleetServer(workshop, 'aws');
    browser = await launchBrowser();
    open = createContexts(browser);
  });
  afterAll(async () => {
    await browser.close();
    await fleet[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await fleet.forget();
    for (const { db } of [server, fleet.server]) await empty(db);
  });

  describe.each(windows)('in the window $name', (window) => {
    test.each(screens)('the screen $name breaks no rule: policy, axe, width', async (screen) => {
      const { page, complaints } = await open(window, screen);
      try {
        let status = 0;
        page.on('response', (response) => {
          if (response.request().isNavigationRequest()) status = response.status();
        });
        const go = async (path: string): Promise<void> => {
          await page.goto((screen.onFleet ? fleet.server : server).url + path);
        };
        await screen.show({ page, server, fleet, go });
        expect(status).toBe(screen.status ?? 200);
        if (folder !== undefined)
          await takePicture(page, join(folder, `${screen.name}.${window.name}.png`), screen);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
        if (screen.isLong !== true || window === dark)
          expect(await judge(open, window, page, screen)).toEqual([]);
        expect(complaints).toEqual([]);
      } finally {
        await page.close();
      }
    });
  });

  test('every screen has a name of its own', () => {
    const names = screens.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9-]+$/);
  });
});

const empty = (db: TestServer['db']) =>
  sql`truncate vms, assignments, vm_presence, vm_timings, vm_logs, vm_log_cuts, tombstones, operations,
    operation_events, operation_vms, audit_events, vm_hours, vm_state_samples, assignment_changes
    restart identity cascade`.execute(db);

type Opened = { readonly page: Page; readonly complaints: string[] };

/** One browser context for each window, with and without scripts: static files are loaded once. */
function createContexts(browser: Browser) {
  const contexts = new Map<string, Promise<BrowserContext>>();
  const contextOf = (
    { name, viewport, colorScheme }: Window,
    javaScriptEnabled: boolean,
  ): Promise<BrowserContext> => {
    const key = `${name} ${javaScriptEnabled}`;
    const context =
      contexts.get(key) ??
      browser.newContext({
        viewport,
        colorScheme,
        reducedMotion: 'reduce',
        javaScriptEnabled,
        httpCredentials: { username: ADMIN.user, password: ADMIN.password },
      });
    contexts.set(key, context);
    return context;
  };
  return async (
    window: Window,
    { javaScript }: { readonly javaScript?: false | undefined },
  ): Promise<Opened> => {
    const context = await contextOf(window, javaScript ?? true);
    // As a new visitor.
    await context.clearCookies();
    await context.setOffline(false);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      // What the browser itself says of a status, or of a connection that is gone.
      if (message.type() === 'error' && !/status of [45]\d\d|ERR_INTERNET_DISCONNECTED/.test(message.text()))
        complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    return { page, complaints };
  };
}

/** What axe finds. It is a script, with timers: a page without scripts is judged as it stands, in a window that runs none of ours. */
async function judge(
  open: ReturnType<typeof createContexts>,
  window: Window,
  page: Page,
  screen: Screen,
): Promise<string[]> {
  if (screen.javaScript !== false) return findWithAxe(page, screen.foreign);
  // What is for readers without scripts stands in the page like the rest.
  const body = (await page.content())
    .replace(/<noscript>\s*<meta[^>]*>\s*<\/noscript>/g, '')
    .replaceAll('noscript>', 'div>');
  const { page: same } = await open(window, { ...screen, javaScript: undefined });
  try {
    await same.route('**/*.js', (route) => route.abort());
    await same.route(page.url(), (route) => route.fulfill({ contentType: 'text/html', body }));
    await same.goto(page.url());
    return await findWithAxe(same, screen.foreign);
  } finally {
    await same.close();
  }
}

async function takePicture(page: Page, path: string, { isLong }: Screen): Promise<void> {
  await page.screenshot({ path, fullPage: isLong !== true, animations: 'disabled' });
}

// Every page in every state, on a phone and on a desktop, light and dark, in a real browser: nothing that the content
// security policy stops, nothing that axe finds, nothing wider than the window. With SCREENSHOTS naming a folder, a picture
// of each is written there (`make screenshots`). Each page is brought into its state once, and the window is changed around it.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findWithAxe } from '../support/axe.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { accountScreens } from './accounts.ts';
import { adminScreens } from './admin.ts';
import { notificationScreens } from './notifications.ts';
import { selectionScreens } from './selection.ts';
import { errorScreens } from './errors.ts';
import { fleetScreens } from './fleet.ts';
import { participantScreens } from './participant.ts';
import { scheduleScreens } from './schedule.ts';
import type { Screen } from './screen.ts';

const folder = process.env['SCREENSHOTS'];
const screens: readonly Screen[] = [
  ...participantScreens,
  ...adminScreens,
  ...accountScreens,
  ...notificationScreens,
  ...selectionScreens,
  ...fleetScreens,
  ...errorScreens,
  ...scheduleScreens,
];

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
  let tabs: Tabs;

  beforeAll(async () => {
    if (folder !== undefined) await mkdir(folder, { recursive: true });
    server = await startTestServer(workshop);
    fleet = await startFleetServer(workshop, 'aws');
    browser = await launchBrowser();
    tabs = createTabs(browser);
  });
  afterAll(async () => {
    await browser.close();
    await fleet[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await fleet.forget();
    for (const { db } of [server, fleet.server]) await emptyTables(db);
  });

  afterEach(() => tabs.tidy());

  test.each(screens)('the screen $name breaks no rule in any window: policy, axe, width', async (screen) => {
    const { page, complaints } = await tabs.open(screen.javaScript ?? true);
    let status = 0;
    page.on('response', (response) => {
      if (response.request().isNavigationRequest()) status = response.status();
    });
    const go = async (path: string): Promise<void> => {
      await page.goto((screen.onFleet ? fleet.server : server).url + path);
    };
    await screen.show({ page, server, fleet, go });
    expect(status).toBe(screen.status ?? 200);
    // Axe is a script, with timers.
    const judged = screen.javaScript === false ? await copyOf(page, tabs) : page;
    for (const window of windows) {
      await become(page, window);
      if (folder !== undefined)
        await takePicture(page, join(folder, `${screen.name}.${window.name}.png`), screen);
      expect(await page.evaluate(FITS), window.name).toBe(true);
      if (screen.isLong === true && window !== dark) continue;
      await become(judged, window);
      expect(await findWithAxe(judged, screen.foreign), window.name).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });

  test('every screen has a name of its own', () => {
    const names = screens.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9-]+$/);
  });
});

const FITS = 'document.documentElement.scrollWidth <= innerWidth';

async function become(page: Page, { viewport, colorScheme }: Window): Promise<void> {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
}

type Tab = { readonly page: Page; readonly complaints: string[] };
type Tabs = {
  readonly open: (javaScriptEnabled: boolean) => Promise<Tab>;
  /** The next page is that of a new visitor. */
  readonly tidy: () => Promise<void>;
};

/** One tab with scripts and one without, for all screens: a new one costs a process and compiles every script again. */
function createTabs(browser: Browser): Tabs {
  const pages = new Map<boolean, Promise<Page>>();
  const create = async (javaScriptEnabled: boolean): Promise<Page> => {
    const context = await browser.newContext({
      reducedMotion: 'reduce',
      javaScriptEnabled,
      httpCredentials: { username: ADMIN.user, password: ADMIN.password },
    });
    return context.newPage();
  };
  return {
    open: async (javaScriptEnabled) => {
      const created = pages.get(javaScriptEnabled) ?? create(javaScriptEnabled);
      pages.set(javaScriptEnabled, created);
      const page = await created;
      await become(page, phone);
      const complaints: string[] = [];
      page.on('console', (message) => {
        // What the browser itself says of a status, or of a connection that is gone.
        if (
          message.type() === 'error' &&
          !/status of [45]\d\d|ERR_INTERNET_DISCONNECTED/.test(message.text())
        )
          complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      return { page, complaints };
    },
    tidy: async () => {
      for (const page of pages.values()) await forget(await page);
    },
  };
}

async function forget(page: Page): Promise<void> {
  for (const event of ['console', 'pageerror', 'response'] as const) page.removeAllListeners(event);
  await page.unrouteAll();
  await page.context().setOffline(false);
  await page.context().clearCookies();
  if (page.url().startsWith('http')) await page.evaluate('localStorage.clear(); sessionStorage.clear()');
  await page.goto('about:blank');
}

/** The page without scripts as it stands, in the tab with scripts, which runs none of ours. */
async function copyOf(page: Page, tabs: Tabs): Promise<Page> {
  // What is for readers without scripts stands in the page like the rest.
  const body = (await page.content())
    .replace(/<noscript>\s*<meta[^>]*>\s*<\/noscript>/g, '')
    .replaceAll('noscript>', 'div>');
  const { page: copy } = await tabs.open(true);
  await copy.route('**/*.js', (route) => route.abort());
  await copy.route(page.url(), (route) => route.fulfill({ contentType: 'text/html', body }));
  await copy.goto(page.url());
  return copy;
}

async function takePicture(page: Page, path: string, { isLong }: Screen): Promise<void> {
  await page.screenshot({ path, fullPage: isLong !== true, animations: 'disabled' });
}

// An admin's browser, connected to a whole server with a scripted provider.
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { findWithAxe } from './axe.ts';
import { launchBrowser } from './browser.ts';
import { startFleetServer, type FleetServer } from './fleet-server.ts';
import { ADMIN } from './server.ts';

export type FleetBrowser = {
  readonly lab: FleetServer;
  readonly open: (path: string, options?: BrowserContextOptions) => Promise<Page>;
  /** Errors from the console and scripts of the pages; a test that breaks the connection empties the list. */
  readonly complaints: string[];
};

/**
 * One lab and one browser for the tests of a `describe`. After each test it closes the pages, waits until no operation runs,
 * and expects no errors from the pages.
 */
export function useFleetBrowser(): FleetBrowser {
  let lab: FleetServer;
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];
  beforeAll(async () => {
    lab = await startFleetServer();
    browser = await launchBrowser();
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await lab.idle();
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await lab[Symbol.asyncDispose]();
  });
  return {
    // It is there once the tests run, so that they can name it before.
    lab: new Proxy({} as FleetServer, { get: (_, key) => Reflect.get(lab, key) as unknown }),
    complaints,
    open: async (path, options = {}) => {
      const context = await browser.newContext({
        httpCredentials: { username: ADMIN.user, password: ADMIN.password },
        // Animations are drawn by the processor for as long as a test waits.
        reducedMotion: 'reduce',
        ...options,
      });
      // Shorter than the timeout of a test, because this error names what was awaited.
      context.setDefaultTimeout(WAIT_MS);
      contexts.push(context);
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      await page.goto(lab.server.url + path);
      return page;
    },
  };
}

const WAIT_MS = 20_000;

/** Expects that axe finds nothing, and that the page is not wider than the window. */
export async function isInOrder(page: Page): Promise<void> {
  expect(await findWithAxe(page)).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
}

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

/** Expects the same in both colour schemes, on a phone and on a desktop. */
export async function isInOrderEverywhere(page: Page): Promise<void> {
  for (const viewport of [PHONE, DESKTOP]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['dark', 'light'] as const) {
      // Without animations, because axe would check the colours in the middle of a transition.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await isInOrder(page);
    }
  }
}

// The participant's pages while things happen: what changes is shown without a jump, also on a slow network, after a lost
// connection, and by keyboard alone.
import { sql } from 'kysely';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { giveVm, insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const COMMAND = 'start-host --code="4/0Aada" --name=$(hostname)';
/** Polls come every few seconds; the machine may be slow. */
const LONG = { timeout: 25_000, interval: 200 };

/** Adds up how far things moved by themselves since the page began, as browsers measure it. */
const WATCH_SHIFTS = `globalThis.shift = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true })`;

const PAGE_LIMIT_BYTES = 200_000;

describe.skipIf(!hasBrowser)('the page', { timeout: 90_000 }, () => {
  let server: TestServer;
  let browser: Browser;

  beforeAll(async () => {
    server = await startTestServer();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await server.db.deleteFrom('vms').execute();
    await server.db.deleteFrom('waiting_list').execute();
  });

  async function withPage(work: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 } });
    const page = await context.newPage();
    await page.addInitScript(WATCH_SHIFTS);
    try {
      await work(page);
    } finally {
      await context.close();
    }
  }

  async function ask(page: Page): Promise<void> {
    await page.goto(`${server.url}/`);
    await page.fill('#email', 'ada@example.org');
    await page.fill('#crd-command', COMMAND);
    await page.click('form[action="/api/request_vm"] button[type="submit"]');
  }

  const shifted = (page: Page) => page.evaluate<number>('globalThis.shift');
  const availability = (page: Page) => page.locator('[data-availability]');

  test('the form page counts free machines live', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      const { id } = await giveVm(server.db, 'first@example.org');
      await page.goto(`${server.url}/`);
      expect(await availability(page).getAttribute('data-state')).toBe('full');
      await sql`update assignments set released_at = now() where id = ${id}`.execute(server.db);
      await sql`update vms set assignment_id = null where assignment_id = ${id}`.execute(server.db);
      await expect.poll(() => availability(page).getAttribute('data-state'), LONG).toBe('open');
      expect(await page.locator('main').innerText()).not.toContain('taken');
      expect(await page.locator('[data-announcer]').innerText()).toContain('1 machine is free.');
      expect(await shifted(page)).toBeLessThan(0.02);
    }));

  test('a page that waits shows the turn by itself, in its title too, and gets the machine with a new command', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      const { id } = await giveVm(server.db, 'first@example.org');
      await ask(page);
      const place = page.locator('[data-place]');
      await place.waitFor();
      expect(new URL(page.url()).pathname).toBe('/');
      expect(await page.evaluate('document.activeElement.hasAttribute("data-place")')).toBe(true);
      expect(await place.innerText()).toContain('You are next.');
      expect(await page.locator('#crd-command').isVisible()).toBe(false);
      await page.getByLabel('Play a sound').check();
      await page.reload();
      expect(await place.getAttribute('data-state')).toBe('waiting');
      await sql`update assignments set released_at = now() where id = ${id}`.execute(server.db);
      await sql`update vms set assignment_id = null where assignment_id = ${id}`.execute(server.db);
      await expect.poll(() => place.getAttribute('data-state'), LONG).toBe('reserved');
      expect(await page.title()).toMatch(/^Your turn: /);
      expect(await page.locator('[data-announcer]').innerText()).toContain('It is your turn.');
      // The old command is not in the form.
      expect(await page.locator('#crd-command').inputValue()).toBe('');
      const left = page.locator('[data-place-left-time]');
      const first = await left.innerText();
      await expect.poll(() => left.innerText(), LONG).not.toBe(first);
      await page.fill('#crd-command', COMMAND);
      await page.click('form[action="/api/request_vm"] button[type="submit"]');
      await page.locator('[data-assignment]').waitFor();
      expect(await server.db.selectFrom('waiting_list').selectAll().execute()).toEqual([]);
    }));

  test('a page that waits leads to the start when an admin removes the place, and the way back is one button', () =>
    withPage(async (page) => {
      await ask(page);
      await page.locator('[data-place]').waitFor();
      await sql`update waiting_list set left_at = now(), left_reason = 'removed'`.execute(server.db);
      await page.getByText('Your instructor has taken you off the waiting list.').waitFor();
      await page.getByRole('button', { name: 'Join the waiting list again' }).click();
      await page.locator('[data-place]').waitFor();
      await page.getByRole('button', { name: 'Leave the waiting list' }).click();
      await page.locator('[data-place]').waitFor({ state: 'detached' });
      expect(await page.locator('#crd-command').isVisible()).toBe(true);
    }));

  test('the page of the machine shows each step up to the end, and nothing moves', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await ask(page);
      const line = page.locator('[data-assignment]');
      await line.waitFor();
      expect(new URL(page.url()).pathname).toBe(`/assignments/${await line.getAttribute('data-assignment')}`);
      await sql`insert into vm_presence (hostname, confirms) values ('lablink-vm-test-1', true)
        on conflict (hostname) do update set confirms = true`.execute(server.db);
      await server.db
        .updateTable('assignments')
        .set({ delivered_at: sql<Date>`now()` })
        .execute();
      await expect.poll(() => line.getAttribute('data-state'), LONG).toBe('sent');
      await server.db
        .updateTable('assignments')
        .set({ outcome: 'registered', acknowledged_at: sql<Date>`now()` })
        .execute();
      await expect.poll(() => line.getAttribute('data-state'), LONG).toBe('connected');
      expect(await page.locator('[data-step="done"]').count()).toBe(3);
      expect(await shifted(page)).toBeLessThan(0.02);
    }));

  test('a participant who gets another machine sees its name, can copy it, and is told', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await ask(page);
      const name = page.locator('[data-fact="hostname"]');
      expect(await name.innerText()).toBe('lablink-vm-test-1');
      await insertFreeVms(server.db, ['lablink-vm-test-2']);
      const { response } = await server.admin.POST('/api/v1/vms/{hostname}/reassign', {
        params: { path: { hostname: 'lablink-vm-test-1' } },
      });
      expect(response.status).toBe(200);
      await expect.poll(() => name.innerText(), LONG).toBe('lablink-vm-test-2');
      expect(await page.locator('[data-copy]').first().getAttribute('data-copy')).toBe('lablink-vm-test-2');
      expect(await page.locator('[data-moved]').innerText()).toContain('another machine: lablink-vm-test-2');
      expect(await page.locator('main').innerText()).not.toContain('lablink-vm-test-1');
    }));

  test('a participant whose machine is released sees only that, and the way to the start page', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await ask(page);
      await page.locator('[data-assignment]').waitFor();
      await ask(page);
      await page.getByText('Welcome back.').waitFor();
      const id = await page.locator('[data-assignment]').getAttribute('data-assignment');
      const pin = await page.locator('.pin').innerText();
      const { response } = await server.admin.POST('/api/v1/assignments/{id}/release', {
        params: { path: { id: id ?? '' } },
      });
      expect(response.status).toBe(200);
      await expect
        .poll(() => page.getByRole('link', { name: 'Go to the start page' }).isVisible(), LONG)
        .toBe(true);
      const text = await page.locator('main').innerText();
      expect(text).toContain('no longer assigned to you');
      for (const left of [
        'Welcome back',
        pin,
        'lablink-vm-test-1',
        'Open Chrome Remote Desktop',
        'new command',
        'How to connect',
        'Bookmark',
        'Ready to connect',
      ])
        expect(text).not.toContain(left);
      await page.reload();
      expect(await page.locator('main').innerText()).toBe(text);
    }));

  test('a participant whose machine was destroyed is not left with a page that looks usable', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await ask(page);
      await page.locator('[data-assignment]').waitFor();
      await server.db.deleteFrom('vms').execute();
      await expect
        .poll(() => page.getByRole('link', { name: 'Go to the start page' }).isVisible(), LONG)
        .toBe(true);
      const text = await page.locator('main').innerText();
      expect(text).toContain('This machine has been removed.');
      expect(text).not.toContain('Open Chrome Remote Desktop');
    }));

  test('the page of the machine shows that it is offline, and that it is back', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await ask(page);
      await page.locator('[data-assignment]').waitFor();
      const bar = page.locator('[data-connection]');
      await page.context().setOffline(true);
      await expect.poll(() => bar.getAttribute('data-state'), LONG).toBe('lost');
      expect(await bar.innerText()).toContain('You are offline');
      await page.context().setOffline(false);
      await expect.poll(() => bar.getAttribute('data-state'), LONG).toBe('back');
      expect(await shifted(page)).toBeLessThan(0.02);
    }));

  test('the form is not sent while offline, and what was typed is kept for the next load', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await page.goto(`${server.url}/`);
      await page.fill('#email', 'ada@example.org');
      await page.fill('#crd-command', COMMAND);
      await page.context().setOffline(true);
      await page.click('form[action="/api/request_vm"] button[type="submit"]');
      await page.locator('[data-connection][data-state="lost"]').waitFor();
      await page.context().setOffline(false);
      await page.reload();
      expect(await page.locator('#crd-command').inputValue()).toBe(COMMAND);
      await page.click('form[action="/api/request_vm"] button[type="submit"]');
      await page.locator('[data-assignment]').waitFor();
      await page.goto(`${server.url}/`);
      expect(await page.locator('#crd-command').inputValue()).toBe('');
    }));

  test('the form is filled in and sent by keyboard alone', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      await page.goto(`${server.url}/`);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.className')).toBe('skip');
      await page.keyboard.press('Enter');
      for (let presses = 0; presses < 20; presses += 1) {
        await page.keyboard.press('Tab');
        if ((await page.evaluate('document.activeElement.id')) === 'email') break;
      }
      await page.keyboard.type('ada@example.org');
      await page.keyboard.press('Tab');
      await page.keyboard.insertText(COMMAND);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.locator('[data-assignment]').waitFor();
    }));

  test('the form page is small on the wire, and usable on a slow network before its modules arrive', () =>
    withPage(async (page) => {
      await insertFreeVms(server.db, vmNames(1));
      const session = await page.context().newCDPSession(page);
      await session.send('Network.enable');
      let received = 0;
      session.on('Network.loadingFinished', ({ encodedDataLength }) => (received += encodedDataLength));
      await session.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 300,
        downloadThroughput: 50_000,
        uploadThroughput: 20_000,
      });
      await ask(page);
      await page.locator('[data-assignment]').waitFor();
      expect(received).toBeLessThan(PAGE_LIMIT_BYTES);
      expect(received).toBeGreaterThan(10_000);
    }));
});

// The participant's way, walked in a real browser against a whole server.
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { refuseForms } from '../support/busy-page.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { insertFreeVms } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const command = (code: string): string =>
  `DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="${code}" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)`;

describe.skipIf(!hasBrowser)('a participant', () => {
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
    await emptyTables(server.db);
  });

  /** A browser of its own: cookies are not shared. Anything that the page complains about fails the test. */
  async function newBrowser(options: { javaScriptEnabled?: boolean } = {}) {
    const context = await browser.newContext(options);
    const complaints: string[] = [];
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    return { context, page, complaints };
  }

  async function send(page: Page, email: string, crdCommand: string): Promise<void> {
    await page.goto(`${server.url}/`);
    await page.fill('#email', email);
    await page.fill('#crd-command', crdCommand);
    await page.click('form[action="/api/request_vm"] button[type="submit"]');
  }

  const shown = async (page: Page) => ({
    hostname: await page.locator('.facts .big').first().innerText(),
    pin: await page.locator('.facts .pin').innerText(),
  });

  const closeAll = (...contexts: BrowserContext[]) => Promise.all(contexts.map((context) => context.close()));

  test('a participant asks for a machine, gets one, and the waiting VM takes the command', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const told = server.client.POST('/vm_startup', {
      body: { hostname: 'lablink-vm-test-1', confirms: true },
    });
    const { context, page, complaints } = await newBrowser();
    await send(page, 'Ada@Example.org', command('4/0Aada'));
    const { hostname, pin } = await shown(page);
    expect(hostname).toBe('lablink-vm-test-1');
    expect(pin).toMatch(/^\d{6}$/);
    const { data } = await told;
    expect(data).toMatchObject({ status: 'success', pin, command: command('4/0Aada') });
    const state = page.locator('[data-assignment]');
    await expect.poll(() => state.getAttribute('data-state'), { timeout: 15_000 }).toBe('sent');
    await server.client.POST('/api/v1/assignments/{id}/outcome', {
      params: { path: { id: data?.assignment_id ?? '' } },
      body: { hostname, outcome: 'registered', command_number: 1 },
    });
    await expect.poll(() => state.getAttribute('data-state'), { timeout: 15_000 }).toBe('connected');
    expect(complaints).toEqual([]);
    await closeAll(context);
  });

  test('a participant who reloads, uses the link or the start page gets to the same machine', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1', 'lablink-vm-test-2']);
    const { context, page } = await newBrowser();
    await send(page, 'ada@example.org', command('4/0Aada'));
    const first = await shown(page);
    await page.reload();
    expect(await shown(page)).toEqual(first);
    await page.goto(`${server.url}/`);
    await page.click('a[href^="/assignments/"]');
    expect(await shown(page)).toEqual(first);
    expect((await server.client.GET('/api/unassigned_vms_count')).data).toEqual({ count: 1 });
    await closeAll(context);
  });

  test('a participant whose answer was lost asks again and gets the same page', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1', 'lablink-vm-test-2']);
    const { context, page } = await newBrowser();
    let lost = 0;
    await page.route('**/api/request_vm', async (route) => {
      // The server answers; the wifi does not bring it.
      await route.fetch();
      lost += 1;
      await route.abort('connectionreset');
    });
    await send(page, 'ada@example.org', command('4/0Aada')).catch(() => undefined);
    await expect.poll(() => lost).toBe(1);
    await page.unroute('**/api/request_vm');
    await send(page, 'ada@example.org', command('4/0Aada'));
    const { hostname } = await shown(page);
    const { data } = await server.admin.GET('/api/v1/vms', { params: { query: { assigned: true } } });
    expect(data?.items.map((vm) => vm.hostname)).toEqual([hostname]);
    await closeAll(context);
  });

  test('a page whose form a busy server refused says so, keeps what was typed, and sends it again by itself', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const { context, page } = await newBrowser();
    // Long enough to look at the page before it sends the form again.
    await refuseForms(page, 'requestVm', 4);
    await send(page, 'ada@example.org', command('4/0Aada'));
    await page.locator('#busy', { hasText: 'The server is busy.' }).waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('busy');
    expect(await page.inputValue('#email')).toBe('ada@example.org');
    expect(await page.inputValue('#crd-command')).toBe(command('4/0Aada'));
    await page.unroute('**/api/request_vm');
    await page.waitForURL('**/assignments/*', { timeout: 20_000 });
    expect((await shown(page)).hostname).toBe('lablink-vm-test-1');
    await closeAll(context);
  });

  test('a refused form that its reader changes is not sent by itself; the form for returning keeps its PIN and is sent', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const [first, other] = [await newBrowser(), await newBrowser()];
    await refuseForms(first.page, 'requestVm', 30);
    await send(first.page, 'ada@example.org', command('4/0Aada'));
    await first.page.locator('#busy').waitFor();
    await first.page.fill('#email', 'eve@example.org');
    await first.page.locator('[data-trying]', { hasText: 'You changed the form.' }).waitFor();
    await first.page.unroute('**/api/request_vm');
    await first.page.click('form[action="/api/request_vm"] button[type="submit"]');
    const { pin } = await shown(first.page);

    await refuseForms(other.page, 'returnToVm', 4);
    await other.page.goto(`${server.url}/`);
    await other.page.click('#return summary');
    await other.page.fill('#return-email', 'eve@example.org');
    await other.page.fill('#return-pin', pin);
    await other.page.click('#return button[type="submit"]');
    await other.page.locator('#busy').waitFor();
    expect(await other.page.inputValue('#return-pin')).toBe(pin);
    await other.page.unroute('**/api/v1/return');
    await other.page.waitForURL('**/assignments/*', { timeout: 20_000 });
    await closeAll(first.context, other.context);
  });

  test('a participant in another browser is asked for the PIN, without the name of the machine', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const first = await newBrowser();
    await send(first.page, 'ada@example.org', command('4/0Aada'));
    const own = await shown(first.page);
    const second = await newBrowser();
    await send(second.page, 'ada@example.org', command('4/0Aother'));
    expect(await second.page.locator('#pin').count()).toBe(1);
    expect(await second.page.content()).not.toContain(own.hostname);
    expect(await second.page.content()).not.toContain(own.pin);
    expect(await second.page.locator('#email').inputValue()).toBe('ada@example.org');
    await second.page.fill('#pin', own.pin === '000000' ? '111111' : '000000');
    await second.page.click('form[action="/api/request_vm"] button[type="submit"]');
    expect(await second.page.locator('[role="alert"]').innerText()).toContain('not the PIN');
    await second.page.fill('#pin', own.pin);
    await second.page.click('form[action="/api/request_vm"] button[type="submit"]');
    expect(await shown(second.page)).toEqual(own);
    await closeAll(first.context, second.context);
  });

  test('a participant for whom no machine is free waits in line, also after a reload', async () => {
    const { context, page } = await newBrowser();
    await send(page, 'ada@example.org', command('4/0Aada'));
    for (const visit of ['the first time', 'after a reload']) {
      const text = await page.locator('main').innerText();
      expect(text, visit).toContain('You are on the waiting list');
      expect(text, visit).toContain('You are next.');
      expect(text, visit).toContain('Keep this page open');
      expect(text, visit).toContain('You wait as ada@example.org');
      await page.goto(`${server.url}/`);
    }
    await closeAll(context);
  });

  test('a wrong command is an error beside its field before the form is sent', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const { context, page } = await newBrowser();
    let asked = 0;
    page.on('request', (request) => (asked += request.method() === 'POST' ? 1 : 0));
    await page.goto(`${server.url}/`);
    await page.fill('#email', 'ada@example.org');
    await page.fill('#crd-command', 'https://remotedesktop.google.com/headless');
    const said = page.locator('#crd-command-check');
    await expect.poll(() => said.innerText()).toContain('Copy the whole command');
    await page.click('form[action="/api/request_vm"] button[type="submit"]');
    expect(await page.evaluate('document.activeElement.id')).toBe('crd-command');
    expect(asked).toBe(0);
    await page.fill('#crd-command', command('4/0Aada'));
    await expect.poll(() => said.innerText()).toBe('This looks right.');
    await closeAll(context);
  });

  test('without JavaScript a wrong command is an error beside its field after the form is sent', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const { context, page } = await newBrowser({ javaScriptEnabled: false });
    await send(page, 'ada@example.org', 'sudo rm -rf / # "><script>alert(1)</script>');
    expect(await page.locator('[role="alert"]').innerText()).toContain(
      'The Chrome Remote Desktop command is not valid.',
    );
    expect(await page.locator('#crd-command-error').innerText()).toContain('Copy the whole command');
    expect(await page.locator('#crd-command').inputValue()).toContain('<script>');
    expect((await server.client.GET('/api/unassigned_vms_count')).data).toEqual({ count: 1 });
    await closeAll(context);
  });

  test('without JavaScript a participant gets a machine', async () => {
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
    const { context, page } = await newBrowser({ javaScriptEnabled: false });
    await send(page, 'ada@example.org', command('4/0Aada'));
    const first = await shown(page);
    await page.click('a[href^="/assignments/"] >> nth=0');
    expect(await shown(page)).toEqual(first);
    await closeAll(context);
  });
});

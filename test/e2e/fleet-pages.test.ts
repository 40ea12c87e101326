// Launching, watching, cancelling and destroying in a real browser, with a scripted provider.
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findWithAxe } from '../support/axe.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { WAIT } from '../support/operations.ts';
import { ADMIN } from '../support/server.ts';

describe.skipIf(!hasBrowser)('the fleet in a browser', () => {
  let lab: FleetServer;
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    lab = await startFleetServer();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await lab[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await lab.idle();
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({
      httpCredentials: { username: ADMIN.user, password: ADMIN.password },
      ...options,
    });
    contexts.push(context);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(lab.server.url + path);
    return page;
  }

  async function isInOrder(page: Page): Promise<void> {
    expect(await findWithAxe(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  }

  async function launch(page: Page, numVms: number): Promise<void> {
    await page.getByLabel('How many').fill(String(numVms));
    await page.getByRole('button', { name: 'Launch' }).click();
  }

  test('an admin launches machines and watches them come, without loading the page again', async () => {
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/create');
    await isInOrder(page);
    await launch(page, 3);
    await page.getByRole('log').getByText('The provider begins.').waitFor();
    await page.getByText('1 of 3 machines made.').waitFor();
    await isInOrder(page);
    expect(new URL(page.url()).pathname).toMatch(/^\/admin\/operations\/[0-9a-f-]{36}$/);
    const row = page.getByRole('row', { name: 'lab-vm-prod-2' });
    await row.getByText('Initializing').waitFor();
    await lab.server.client.POST('/api/vm-status', {
      body: { hostname: 'lab-vm-prod-2', status: 'running' },
    });
    await row.getByText('Running').waitFor();
    lab.provider.release();
    await page.getByText('3 machines were made.').waitFor();
    await page.getByRole('log').getByText('Done.').waitFor();
    expect(await page.getByRole('button', { name: 'Cancel it' }).isVisible()).toBe(false);
    expect(await page.getByRole('log').locator('li', { hasText: 'The provider begins.' }).count()).toBe(1);
    await isInOrder(page);
    await page.reload();
    await page.getByText('3 machines were made.').waitFor();
  });

  test('a launch is cancelled from its page', async () => {
    lab.provider.script.holdAfter = 0;
    const page = await open('/admin/create');
    await launch(page, 2);
    await page.getByRole('button', { name: 'Cancel it' }).click();
    await page.getByRole('status').getByText('Cancelled. None was made.').waitFor();
    await isInOrder(page);
  });

  test('who asks while something runs is told, and led there', async () => {
    lab.provider.script.holdAfter = 0;
    await lab.launch(1);
    const page = await open('/admin/create');
    await isInOrder(page);
    await page.getByRole('link', { name: 'Watch it' }).click();
    await page.getByRole('button', { name: 'Cancel it' }).waitFor();
  });

  test('without JavaScript the page loads itself again, until it is over', async () => {
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/create', { javaScriptEnabled: false });
    await launch(page, 2);
    const main = page.locator('main');
    await expect
      .poll(() => main.innerText(), WAIT)
      .toContain('This page loads itself again every few seconds.');
    lab.provider.release();
    await page.getByText('2 machines were made.').waitFor({ timeout: 15_000 });
    expect(await page.locator('meta[http-equiv="refresh"]').count()).toBe(0);
  });

  test('a page whose connection breaks comes again and goes on', async () => {
    lab.provider.script.holdAfter = 1;
    const { id } = await lab.launch(2);
    const page = await open(`/admin/operations/${id}`);
    await page.getByText('1 of 2 machines made.').waitFor();
    await page.context().setOffline(true);
    lab.provider.release();
    await expect.poll(async () => (await lab.newest()).status, WAIT).toBe('succeeded');
    await page.context().setOffline(false);
    await page.getByText('2 machines were made.').waitFor();
    const lines = await page.getByRole('log').locator('li').allTextContents();
    expect(lines).toHaveLength(new Set(lines).size);
    expect(lines.at(-1)).toContain('Done.');
    complaints.length = 0;
  });

  test('everything is destroyed after the name was typed, and the page shows the machines go', async () => {
    await lab.launch(2);
    await lab.idle();
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/instances/delete', { viewport: { width: 390, height: 844 } });
    await page.getByText('lab-vm-prod-1').first().waitFor();
    await isInOrder(page);
    await page.getByLabel('To confirm').fill('something else');
    await page.getByRole('button', { name: 'Delete all machines' }).click();
    await page.getByText('Nothing was destroyed').first().waitFor();
    await isInOrder(page);
    await page.getByLabel('To confirm').fill('lab');
    await page.getByRole('button', { name: 'Delete all machines' }).click();
    await page.getByText('Destroying').first().waitFor();
    await isInOrder(page);
    lab.provider.release();
    await page.getByText('There are no machines.').waitFor();
    expect(lab.provider.world.size).toBe(0);
    await isInOrder(page);
  });

  test('an admin sees the end and the strangers, moves the one, and decides on the others', async () => {
    await lab.postJson('/api/launch', { num_vms: '2', hours: '3' });
    await lab.idle();
    lab.provider.world.set('stranger', { hostname: 'lab-vm-prod-9', operationId: null });
    const page = await open('/admin/fleet');
    await isInOrder(page);
    await page.getByText('in 3 h').first().waitFor();
    await page.getByLabel('Hours from now').fill('5');
    await page.getByRole('button', { name: 'Move the end' }).click();
    await page.getByText('The machines end 5 hours from now.').waitFor();
    await page.getByText('in 5 h').first().waitFor();
    await isInOrder(page);
    await page.goto(`${lab.server.url}/admin/fleet`);
    await page.getByRole('button', { name: 'Terminate of lab-vm-prod-9' }).click();
    await page.getByText('lab-vm-prod-9 was ended.').waitFor();
    await page.getByText('There are none: every machine has its row').waitFor();
    expect(lab.provider.world.has('stranger')).toBe(false);
  });

  test('the page of the end fits a phone, with a long list', async () => {
    lab.provider.world.set('stranger', { hostname: `lab-vm-prod-${'9'.repeat(200)}`, operationId: null });
    const page = await open('/admin/fleet', { viewport: { width: 390, height: 844 } });
    await isInOrder(page);
    lab.provider.world.delete('stranger');
  });
});

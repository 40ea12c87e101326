// The whole story on a laptop, walked in a real browser: real processes, real SSH, real reports; only the cloud is not.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';

/** Machines are processes: on a busy computer they take their time. */
const PATIENCE = { timeout: 60_000 };
const LAUNCHED = ['lablink-vm-prod-1', 'lablink-vm-prod-2', 'lablink-vm-prod-3'];

describe.skipIf(!hasBrowser)('the story', { timeout: 180_000 }, () => {
  let server: TestServer;
  let browser: Browser;
  let office: BrowserContext;
  let admin: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    server = await startTestServer({ PROVIDER: 'local' });
    browser = await launchBrowser();
    office = await browser.newContext({
      httpCredentials: { username: ADMIN.user, password: ADMIN.password },
    });
    admin = await office.newPage();
    admin.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    admin.on('pageerror', (error) => complaints.push(error.message));
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  const run = () => admin.locator('[data-status]').first();
  const folders = async () =>
    (await readdir(join(server.dataDir, 'local-vms'))).filter((name) => !name.startsWith('.')).sort();

  async function launch(count: number): Promise<void> {
    await admin.goto(`${server.url}/admin/create`);
    await admin.fill('[name=num_vms]', String(count));
    await admin.click('form[data-launch] button[type=submit]');
  }

  async function participant(email: string) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const send = async (code: string) => {
      await page.goto(`${server.url}/`);
      await page.fill('#email', email);
      await page.fill('#crd-command', `--code="${code}"`);
      await page.click('form[action="/api/request_vm"] button[type=submit]');
    };
    const state = () => page.locator('[data-assignment]').getAttribute('data-state');
    const hostname = () => page.locator('.facts .big').first().innerText();
    return { context, page, send, state, hostname };
  }

  test('an admin launches three machines, and the page shows them come up', async () => {
    await launch(3);
    await expect.poll(() => run().getAttribute('data-status'), PATIENCE).toBe('succeeded');
    const monitor = admin.locator('table');
    for (const hostname of LAUNCHED)
      await expect.poll(() => monitor.innerText(), PATIENCE).toContain(hostname);
    await expect.poll(async () => (await monitor.innerText()).match(/Running/g)?.length, PATIENCE).toBe(3);
    expect(await folders()).toEqual(LAUNCHED);
    expect((await server.client.GET('/api/unassigned_vms_count')).data).toEqual({ count: 3 });
  });

  test('two participants get a machine each, and both are connected', async () => {
    const ada = await participant('ada@example.org');
    const bob = await participant('bob@example.org');
    await Promise.all([ada.send('4/0Aada'), bob.send('4/0Abob')]);
    expect(await ada.hostname()).not.toBe(await bob.hostname());
    await expect.poll(ada.state, PATIENCE).toBe('connected');
    await expect.poll(bob.state, PATIENCE).toBe('connected');
    await admin.goto(`${server.url}/admin/instances`);
    const table = await admin.locator('table').innerText();
    expect(table).toContain('ada@example.org');
    expect(table).toContain('bob@example.org');
    await Promise.all([ada.context.close(), bob.context.close()]);
  });

  test('a third participant sees that the code had expired, and sends a fresh one to the same machine', async () => {
    const eve = await participant('eve@example.org');
    await eve.send('4/0Aexpired');
    await expect.poll(eve.state, PATIENCE).toBe('failed');
    const hostname = await eve.hostname();
    await eve.page.fill('details[open] textarea[name=crd_command]', '--code="4/0Afresh"');
    await eve.page.click('details[open] button[type=submit]');
    expect(await eve.hostname()).toBe(hostname);
    await expect.poll(eve.state, PATIENCE).toBe('connected');
    await eve.context.close();

    await admin.goto(`${server.url}/admin/logs/${hostname}`);
    await expect
      .poll(async () => {
        await admin.reload();
        return admin.locator('[role=log]').innerText();
      }, PATIENCE)
      .toContain('acknowledged command 2: registered');
    const logs = await admin.locator('[role=log]').innerText();
    expect(logs).toContain('invalid_grant');
    expect(logs).not.toContain('4/0Afresh');
  });

  test('the admin cancels a second launch, and the page says what was created', async () => {
    const before = (await folders()).length;
    // As many as one launch may have: it takes seconds, also on a quick computer.
    await launch(100);
    await admin.click('[data-cancel] button');
    await expect.poll(() => run().getAttribute('data-status'), PATIENCE).toBe('cancelled');
    const { data } = await server.client.GET('/api/vm-status');
    const rows = Object.keys(data ?? {}).sort();
    expect(rows.length).toBeLessThan(before + 100);
    expect(rows).toEqual(expect.arrayContaining(LAUNCHED));
    await expect.poll(folders, PATIENCE).toEqual(rows);
  });

  test('at the end all machines are destroyed', async () => {
    await admin.goto(`${server.url}/admin/instances/delete`);
    expect(await admin.locator('main').innerText()).toContain('ada@example.org');
    await admin.fill('#confirm', 'lablink');
    await admin.press('#confirm', 'Enter');
    await expect.poll(() => run().getAttribute('data-status'), PATIENCE).toBe('succeeded');
    expect(await folders()).toEqual([]);
    expect((await server.client.GET('/api/vm-status')).response.status).toBe(404);
    expect(
      (
        await server.client.POST('/api/vm-status', {
          body: { hostname: LAUNCHED[0] ?? '', status: 'running' },
        })
      ).response.status,
    ).toBe(200);
    expect((await server.client.GET('/api/vm-status')).response.status).toBe(404);
  });

  test('the browser reported no error during the whole story', () => {
    expect(complaints).toEqual([]);
  });
});

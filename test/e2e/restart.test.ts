// The allocator is killed and started again under open pages: they say so, and go on by themselves with what happened since.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProgram, type Program } from '../support/program.ts';
import { insertFreeVms } from '../support/rows.ts';

const PASSWORD = 'a password for tests';
const AWAY = 'You are offline, or the server cannot be reached. This page keeps trying.';

describe.skipIf(!hasBrowser)('an allocator that starts again under open pages', { timeout: 180_000 }, () => {
  let open: AsyncDisposableStack;
  let database: TestDatabase;
  let browser: Browser;
  let context: BrowserContext;
  let program: Program;
  let dataDir: string;
  let baseUrl: string;
  let client: LablinkClient;

  const start = (port: string) =>
    startProgram(['serve'], {
      PORT: port,
      PROVIDER: 'external',
      DATABASE_URL: database.connectionString,
      ADMIN_PASSWORD: PASSWORD,
      SECRET_KEY: 'a secret key for tests, long enough',
      DATA_DIR: dataDir,
    });

  beforeEach(async () => {
    open = new AsyncDisposableStack();
    dataDir = await mkdtemp(join(tmpdir(), 'lablink-restart-'));
    open.defer(() => rm(dataDir, { recursive: true }));
    database = open.use(await createTestDatabase());
    browser = await launchBrowser();
    open.defer(() => browser.close());
    program = start('0');
    open.defer(() => program[Symbol.asyncDispose]());
    baseUrl = await program.url();
    client = createLablinkClient({ baseUrl });
    context = await browser.newContext({
      baseURL: baseUrl,
      httpCredentials: { username: 'admin', password: PASSWORD },
    });
    await insertFreeVms(database.db, ['vm-0', 'vm-1', 'vm-2']);
  }, 120_000);
  afterEach(() => open.disposeAsync());

  async function show(address: string): Promise<Page> {
    const page = await context.newPage();
    await page.goto(address);
    return page;
  }
  const report = (hostname: string, status: 'running' | 'error') =>
    client.POST('/api/vm-status', { body: { hostname, status } });
  const log = (message: string) =>
    client.POST('/api/vm-logs', { body: { log_group: 'g', log_stream: 'vm-1', messages: [message] } });

  test('each page shows that the server is away, and what has changed when the server is back', async () => {
    const machine = await show('/');
    await machine.fill('#email', 'ada@example.org');
    await machine.fill('#crd-command', 'start-host --code="4/0Aada"');
    await machine.click('form[action="/api/request_vm"] button[type="submit"]');
    const named = (hostname: string) => machine.locator('[data-fact="hostname"]', { hasText: hostname });
    await named('vm-0').waitFor();
    await log('a line before');
    const [form, admin, machines, lines] = await Promise.all(
      ['/', '/admin', '/admin/instances', '/admin/logs/vm-1'].map(show),
    );
    if (!form || !admin || !machines || !lines) throw new Error('every page is open');
    const row = machines.locator('tr', { hasText: 'vm-2' });
    await lines.getByText('a line before', { exact: true }).waitFor();
    await form.getByText('2 machines are free').first().waitFor();

    program.child.kill('SIGKILL');
    await program.ended;
    for (const page of [form, admin, machines, lines, machine])
      await page.getByText(AWAY).first().waitFor({ timeout: 60_000 });

    program = start(new URL(baseUrl).port);
    expect(await program.url()).toBe(baseUrl);
    expect((await report('vm-2', 'error')).response.status).toBe(200);
    expect((await log('a line after')).response.status).toBe(200);
    await lines.getByText('a line after', { exact: true }).waitFor({ timeout: 60_000 });
    expect(await lines.locator('.line').allTextContents()).toEqual(['a line before', 'a line after']);
    await row.getByText('Error').first().waitFor({ timeout: 60_000 });
    await admin.getByRole('link', { name: 'vm-2' }).first().waitFor({ timeout: 60_000 });
    await form.getByText('1 machine is free').first().waitFor({ timeout: 60_000 });
    for (const page of [form, admin, machines, lines, machine])
      await expect.poll(() => page.getByText(AWAY).isVisible(), { timeout: 60_000 }).toBe(false);

    // The participant's page follows what the organiser does now.
    const organiser = createLablinkClient({ baseUrl, user: 'admin', password: PASSWORD });
    const reassigned = await organiser.POST('/api/v1/vms/{hostname}/reassign', {
      params: { path: { hostname: 'vm-0' } },
    });
    expect(reassigned.response.status).toBe(200);
    await named('vm-1').waitFor({ timeout: 60_000 });
    const id = new URL(machine.url()).pathname.split('/').at(-1) ?? '';
    const released = await organiser.POST('/api/v1/assignments/{id}/release', { params: { path: { id } } });
    expect(released.response.status).toBe(200);
    await machine.getByRole('link', { name: 'Go to the start page' }).waitFor({ timeout: 60_000 });
  });
});

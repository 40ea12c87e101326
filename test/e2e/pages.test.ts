// Every page in a real browser, at phone and desktop width, light and dark: nothing that the content security policy
// stops, nothing that axe finds, nothing wider than the window.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { sql } from 'kysely';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const windows = [
  { name: 'on a phone', width: 390, height: 844, colorScheme: 'light' },
  { name: 'on a desktop', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'in the dark', width: 1280, height: 900, colorScheme: 'dark' },
] as const;

/** Swagger UI brings its own markup, a second `main` among it, which is not ours to mend. */
const foreign = { selector: '#swagger-ui', rules: ['landmark-no-duplicate-main', 'landmark-unique'] };

/** What axe finds, a line each. It is injected by the debugger, beside the page's policy. */
async function findWithAxe(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate<string[]>(`(async () => {
    const foreign = ${JSON.stringify(foreign)};
    const isThere = document.querySelector(foreign.selector) !== null;
    const rules = isThere ? Object.fromEntries(foreign.rules.map((rule) => [rule, { enabled: false }])) : {};
    const { violations } = await axe.run(isThere ? { exclude: [[foreign.selector]] } : document, { rules });
    return violations.map(({ id, nodes }) => id + ': ' + nodes[0].html);
  })()`);
}

describe.skipIf(!hasBrowser)('the page', () => {
  let server: TestServer;
  let browser: Browser;

  beforeAll(async () => {
    server = await startTestServer();
    browser = await launchBrowser();
    await insertFreeVms(server.db, ['lablink-vm-test-1', 'lablink-vm-test-2', 'x'.repeat(200)]);
    await giveVm(server.db, 'ada@example.org');
    await sql`update vms set status = 'error' where hostname = 'lablink-vm-test-2'`.execute(server.db);
    await server.client.POST('/api/vm-logs', {
      body: {
        log_group: 'g',
        log_stream: 'lablink-vm-test-1',
        messages: ['<b>bold</b> "quoted"', 'y'.repeat(500)],
      },
    });
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  describe.each([
    ['of the form', '/', 200],
    ['of an unknown assignment', '/assignments/00000000-0000-4000-8000-000000000000', 404],
    ['of the lab', '/admin', 200],
    ['of the machines', '/admin/instances', 200],
    ['of logs', '/admin/logs/lablink-vm-test-1', 200],
    ['of an unknown machine', '/admin/logs/ghost', 404],
    ['of the contract', '/docs', 200],
    ['of nothing', '/nowhere', 404],
  ])('%s', (_name, path, status) => {
    test.each(windows)('is in order $name', async ({ width, height, colorScheme }) => {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        httpCredentials: { username: ADMIN.user, password: ADMIN.password },
      });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('console', (message) => {
        // The browser itself says so of every 404.
        if (message.type() === 'error' && !message.text().includes('status of 404'))
          complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(error.message));
      const response = await page.goto(server.url + path, { waitUntil: 'networkidle' });
      expect(response?.status()).toBe(status);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(complaints).toEqual([]);
      expect(await findWithAxe(page)).toEqual([]);
      await context.close();
    });
  });

  test('of success shows markup in a name as text, and no script of a stranger runs', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    let ran = false;
    page.on('dialog', (dialog) => {
      ran = true;
      void dialog.dismiss();
    });
    const attack = `"><script>alert(1)</script><img src=x onerror=alert(2)>@example.org`;
    await server.client.POST('/api/request_vm', { body: { email: attack, crd_command: attack }, ...asForm });
    await page.goto(`${server.url}/`);
    await page.setContent(
      await (
        await page.request.post(`${server.url}/api/request_vm`, {
          form: { email: attack, crd_command: attack },
        })
      ).text(),
    );
    expect(await page.locator('#crd-command').inputValue()).toBe(attack);
    expect(ran).toBe(false);
    await context.close();
  });
});

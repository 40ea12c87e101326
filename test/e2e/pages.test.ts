// What an orphan types comes back as text. How the pages look, and what axe finds on them: test/screens.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { insertFreeVms } from '../support/rows.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';

describe.skipIf(!hasBrowser)('the page', () => {
  let server: TestServer;
  let browser: Browser;

  beforeAll(async () => {
    server = await startTestServer();
    browser = await launchBrowser();
    await insertFreeVms(server.db, ['lablink-vm-test-1']);
  });
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  });

  test('the success page shows markup in a hostname as text and runs no script of it', async () => {
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

  test('the docs page tries an endpoint out as the signed-in admin', async () => {
    const context = await browser.newContext({
      httpCredentials: { username: ADMIN.user, password: ADMIN.password },
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(`${server.url}/docs`);
    await page.locator('[id$="-listVms"]').first().click();
    await page.getByRole('button', { name: 'Try it out' }).click();
    await page.getByRole('button', { name: 'Execute' }).click();
    const answer = page.locator('.live-responses-table');
    await expect.poll(() => answer.innerText(), { timeout: 20_000 }).toContain('lablink-vm-test-1');
    expect(complaints).toEqual([]);
    await context.close();
  });
});

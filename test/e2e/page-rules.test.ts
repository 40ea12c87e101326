// What holds for every page: few bytes with everything that it loads, whole without JavaScript, and still while news come.
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { fillLab, labHostname } from '../support/workshop-rows.ts';
import { hasBrowser } from '../support/browser.ts';
import { useFleetBrowser } from '../support/fleet-browser.ts';
import { insertFreeVms } from '../support/rows.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Of a page with all that it loads, as it goes over the wire. */
const BYTES_MAX = 200_000;
const SHIFT_MAX = 0.02;
const PHONE = { viewport: { width: 360, height: 740 } };

describe.skipIf(!hasBrowser)('every page', () => {
  const { lab, open } = useFleetBrowser();
  let operation = '';

  beforeAll(async () => {
    await fillLab(lab.server.db);
    operation = (await lab.launch(2)).id;
    await lab.idle();
  });

  const pages = [
    '/',
    '/check',
    '/admin',
    '/admin/instances',
    `/admin/vms/${labHostname(3)}`,
    '/admin/create',
    '/admin/settings',
    '/admin/roster',
    '/admin/waiting-list',
    '/admin/notifications',
    '/admin/schedule',
    '/admin/accounts',
    '/admin/account',
    '/admin/audit',
    '/admin/operations',
    '/admin/operations/:id',
    '/admin/charts',
    '/admin/instances/delete',
    '/admin/fleet',
    `/admin/logs/${labHostname(1)}`,
  ] as const;
  const addressOf = (path: string): string => path.replace(':id', operation);

  test.each(pages)('the page %s is small on the wire, with everything that it loads', async (path) => {
    const page = await open('/check');
    const received = await countBytes(page);
    await page.goto(lab.server.url + addressOf(path));
    await page.waitForLoadState('load');
    expect(received()).toBeGreaterThan(5_000);
    expect(received()).toBeLessThan(BYTES_MAX);
  });

  test.each(pages)('the page %s is complete without JavaScript, on a phone', async (path) => {
    const page = await open(addressOf(path), { ...PHONE, javaScriptEnabled: false });
    expect(await page.locator('h1').count()).toBe(1);
    expect((await page.locator('main').innerText()).length).toBeGreaterThan(100);
    // What only a script can do is not shown.
    expect(
      await page.evaluate(`[...document.querySelectorAll('main button')]
        .filter((button) => button.checkVisibility() && !button.form && !button.popoverTargetElement).length`),
    ).toBe(0);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  });

  test.each(pages)('the page %s does not mention the tools behind it', async (path) => {
    const html = await lab.page(addressOf(path));
    expect(html.toLowerCase()).not.toContain('terraform');
  });

  test('a page whose scripts never come says after a while that it is not complete, and any other page does not', async () => {
    const page = await open('/check');
    const note = page.locator('.unfinished');
    const finish = () =>
      page.evaluate('document.getAnimations().map((animation) => animation.finish()).length');
    await page.waitForLoadState('load');
    await finish();
    expect(await note.isVisible()).toBe(false);
    await page.route(/\.js$/, (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
    await page.reload();
    expect(await note.isVisible()).toBe(false);
    await finish();
    expect(await note.isVisible()).toBe(true);
  });

  test.each([
    ['/', 'machines are free'],
    ['/admin', 'news-1'],
    ['/admin/instances', 'news-1'],
    [`/admin/vms/${labHostname(6)}`, 'The machine reported an error.'],
  ])('the page %s does not jump while it is updated', async (path, news) => {
    const { client, url } = lab.server;
    const report = (hostname: string, status: 'running' | 'error') =>
      client.POST('/api/vm-status', { body: { hostname, status } });
    await report(labHostname(6), 'running');
    const page = await open('/check');
    await page.addInitScript(SHIFTS);
    await page.goto(url + path);
    await report('news-1', 'error');
    await report(labHostname(6), 'error');
    await page.locator('main').getByText(news).first().waitFor();
    expect(await page.evaluate<number>('globalThis.shift')).toBeLessThan(SHIFT_MAX);
  });

  test('the menu can be reached and used by keyboard alone, on a phone too', async () => {
    for (const options of [PHONE, {}]) {
      const page = await open('/admin', options);
      await page.keyboard.press('Tab');
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content');
      await page.keyboard.press('Enter');
      expect(await page.evaluate('document.activeElement.id')).toBe('content');
      await page.getByRole('link', { name: 'Machines', exact: true }).first().focus();
      await page.keyboard.press('Enter');
      await page.waitForURL('**/admin/instances');
      expect(await page.getByRole('navigation').getByRole('link').count()).toBe(13);
    }
  });

  test('no animation runs for readers who prefer reduced motion', async () => {
    await insertFreeVms(lab.server.db, ['for-somebody']);
    const page = await open('/', { reducedMotion: 'no-preference' });
    await page.fill('#email', 'still@example.org');
    await page.fill('#crd-command', 'start-host --code="4/0Aone"');
    await page.click('form[action="/api/request_vm"] button[type="submit"]');
    await page.locator('[data-step="now"]').first().waitFor();
    expect(await moving(page)).toBeGreaterThan(0);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await expect.poll(() => moving(page)).toBe(0);
  });
});

/** Adds up how far things moved by themselves, as browsers measure it. */
const SHIFTS = `globalThis.shift = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
}).observe({ type: 'layout-shift', buffered: true })`;

const moving = (page: Page): Promise<number> =>
  page.evaluate(`document.getAnimations().filter(({ playState }) => playState === 'running').length`);

/** From here on, headers and compressed bodies, as the browser's network counts them; its cache is off. */
async function countBytes(page: Page): Promise<() => number> {
  const session = await page.context().newCDPSession(page);
  let bytes = 0;
  session.on('Network.dataReceived', ({ encodedDataLength }) => (bytes += encodedDataLength));
  session.on('Network.responseReceived', ({ response }) => (bytes += response.encodedDataLength));
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  return () => bytes;
}

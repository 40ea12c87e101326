// Many tabs of one browser, which opens six connections to a server.
import type { Request } from 'playwright-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { insertFreeVms } from '../support/rows.ts';

describe.skipIf(!hasBrowser)('live pages in many tabs', () => {
  const { lab, open } = useFleetBrowser();
  beforeEach(() => emptyTables(lab.server.db));

  const report = (hostname: string, status: 'running' | 'error') =>
    lab.server.client.POST('/api/vm-status', { body: { hostname, status } });

  test('eight tabs of one browser are all up to date, and leave connections for other pages', async () => {
    await insertFreeVms(lab.server.db, ['vm-1']);
    const first = await open('/admin/instances');
    const tabs = [first];
    while (tabs.length < 8) {
      const tab = await first.context().newPage();
      await tab.goto(`${lab.server.url}/admin/instances`);
      tabs.push(tab);
    }
    const participant = await first.context().newPage();
    expect((await participant.goto(lab.server.url))?.status()).toBe(200);
    await report('vm-1', 'error');
    await Promise.all(
      tabs.map((tab) =>
        tab
          .getByRole('row', { name: 'vm-1' })
          .getByText('Error', { exact: true })
          .waitFor({ timeout: 40_000 }),
      ),
    );
  }, 90_000);

  test('a tab that is hidden closes its stream, and continues where it was when it is shown again', async () => {
    await insertFreeVms(lab.server.db, ['vm-1']);
    const page = await open('/admin');
    const streams: Request[] = [];
    const ended: Request[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/events')) streams.push(request);
    });
    page.on('requestfailed', (request) => void ended.push(request));
    const show = (isHidden: boolean): Promise<unknown> =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await page.goto(`${lab.server.url}/admin/instances`);
    await expect.poll(() => streams.length, WAIT).toBe(1);
    await show(true);
    await expect.poll(() => ended.some((request) => request === streams[0]), WAIT).toBe(true);
    await report('vm-1', 'error');
    await show(false);
    await page.getByRole('row', { name: 'vm-1' }).getByText('Error', { exact: true }).waitFor();
    expect(streams).toHaveLength(2);
  });
});

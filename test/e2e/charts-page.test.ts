// The pictures in a real browser, and what stands for them where they are not seen.
import { describe, expect, test, vi } from 'vitest';
import { sampleStates } from '../../src/db/history.ts';
import { hasBrowser } from '../support/browser.ts';
import { isInOrderEverywhere, useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';

/** Axe looks at a page four times over: with many tests beside it, that takes its time. */
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!hasBrowser)('the charts in a browser', () => {
  const { lab, open } = useFleetBrowser();

  test('the charts of an empty lab say that there is nothing to show', async () => {
    const page = await open('/admin/charts');
    await page.getByText('There were no machines in this period.').waitFor();
    await page.getByText('No assignments in the last 24 hours.').waitFor();
    await isInOrderEverywhere(page);
  });

  test('the charts are drawn, follow changes, and have their numbers in sentences and tables', async () => {
    const { db } = lab.server;
    await insertFreeVms(db, ['vm-1', 'vm-2']);
    await sampleStates(db);
    await giveVm(db, 'ada@example.org');
    await db
      .insertInto('vm_timings')
      .values({ hostname: 'vm-1', provisioning_seconds: 30, cloud_init_seconds: 50, container_seconds: 14 })
      .execute();
    const page = await open('/admin/charts');
    await expect.poll(() => page.locator('[data-plot] canvas').count(), WAIT).toBe(3);
    await page.getByText('1 of 2 machines reported all timings; it took 94 s.').waitFor();
    await page.getByText('2 machines now: 1 free, 1 assigned. Maximum: 2.').waitFor();
    for (const summary of await page.locator('details > summary').all()) await summary.click();
    await page.getByRole('row', { name: 'vm-1 30 50 14 94' }).waitFor();
    await page.getByRole('row', { name: /Assigned vm-\d 1 0$/ }).waitFor();
    await isInOrderEverywhere(page);
    await giveVm(db, 'grace@example.org');
    await page.getByText('2 machines now: 2 assigned.').waitFor({ timeout: 15_000 });
    await page.getByText('2 assignments and 0 releases in the last 24 hours.').waitFor();
    expect(await page.locator('details[open]').count()).toBe(3);
  });

  test('without JavaScript the charts page has the numbers, also of another period', async () => {
    const page = await open('/admin/charts', { javaScriptEnabled: false });
    await expect
      .poll(() => page.locator('main').innerText(), WAIT)
      .toContain('The charts need JavaScript; the data below does not.');
    await page.getByRole('link', { name: 'Last hour' }).click();
    await page.getByText('in the last hour.').waitFor();
    await page.locator('details > summary').first().click();
    await page.getByRole('row', { name: 'vm-1 30 50 14 94' }).waitFor();
  });
});

// Actions on several machines in a real browser: the ticks of the table, the page that confirms, and the way back.
import { beforeEach, describe, expect, test } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { hostnamesOf } from '../support/table-rows.ts';
import { fillLab, labHostname } from '../support/workshop-rows.ts';

describe.skipIf(!hasBrowser)('a selection of machines in a browser', () => {
  const { lab, open } = useFleetBrowser();
  beforeEach(() => emptyTables(lab.server.db));

  test('ticks stay while rows change, move and are hidden, and the confirmation names everybody', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    await expect.poll(async () => (await hostnamesOf(page)).length, WAIT).toBe(12);
    const tick = (number: number) =>
      page.getByRole('checkbox', { name: `Select ${labHostname(number)}`, exact: true });
    const release = page.getByRole('button', { name: 'Release…' });
    await page.getByText('Tick machines first.').waitFor();
    expect(await release.isDisabled()).toBe(true);
    await tick(1).check();
    expect(await release.isDisabled()).toBe(false);
    await tick(1).uncheck();
    await expect.poll(() => release.isDisabled(), WAIT).toBe(true);
    await tick(1).check();
    await tick(6).check();
    await page.getByText('2 ticked', { exact: true }).waitFor();
    await lab.server.client.POST('/api/vm-status', { body: { hostname: labHostname(6), status: 'error' } });
    await page
      .getByRole('row', { name: labHostname(6) })
      .getByText('The machine reported an error.')
      .waitFor();
    await page.getByRole('link', { name: 'Status', exact: true }).click();
    await page.getByLabel('Search').fill('ada');
    await page.getByText('2 ticked, 1 of them not shown').waitFor();
    await page.getByLabel('Search').fill('');
    expect(await tick(6).isChecked()).toBe(true);
    await page.getByLabel('Select', { exact: true }).selectOption('Error');
    await page.getByText('3 ticked', { exact: true }).waitFor();
    await page.getByLabel('Show').selectOption('Assigned');
    await page.getByLabel('Select', { exact: true }).selectOption('All that are shown');
    await page.getByText('4 ticked', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Release…' }).click();
    // Cancel, and the browser's way back, lead to the same machines and ticks.
    await page.getByRole('link', { name: 'Cancel' }).click();
    await page.getByText('4 ticked', { exact: true }).waitFor();
    expect(new URL(page.url()).search).toBe('?show=assigned&sort=status');
    expect(await page.getByLabel('Show').inputValue()).toBe('assigned');
    expect(await tick(1).isChecked()).toBe(true);
    await tick(1).uncheck();
    await page.getByText('3 ticked', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Release…' }).click();
    await page.getByRole('heading', { name: 'Release 3 machines' }).waitFor();
    await page.goBack();
    await page.getByText('3 ticked', { exact: true }).waitFor();
    await tick(1).check();
    await page.getByText('4 ticked', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Release…' }).click();
    await page.getByRole('heading', { name: 'Release 4 machines' }).waitFor();
    for (const name of ['ada', 'grace', 'joan', 'mary'])
      await page.getByText(`${name}@example.org`).waitFor();
    await page.getByRole('button', { name: 'Release 4 machines' }).click();
    await page.getByText('4 machines were released.').waitFor();
    expect(await page.getByRole('row').filter({ hasText: 'Released' }).count()).toBe(4);
  });
});

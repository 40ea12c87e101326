// Actions on several machines in a real browser: the ticks of the table, the page that confirms, and the way back.
import type { Page } from 'playwright-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { giveThisVm, insertFreeVms } from '../support/rows.ts';
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

  test('who had a machine stays on the page of its destroy when a machine of that name comes later', async () => {
    const { db, client, admin } = lab.server;
    await lab.launch(1);
    await lab.idle();
    const [launched = ''] = lab.provider.machines.keys();
    await insertFreeVms(db, ['lab-pc-7']);
    await giveThisVm(db, 'lab-pc-7');
    const { data: had } = await admin.GET('/api/v1/vms/{hostname}', {
      params: { path: { hostname: 'lab-pc-7' } },
    });
    lab.provider.script.holdAfter = 0;
    const body = { hostnames: ['lab-pc-7', launched], assignment_ids: [had?.assignment?.id ?? ''] };
    await admin.POST('/api/v1/selected-vms/destroy', { body, headers: { Accept: 'application/json' } });
    const path = `/admin/operations/${(await lab.newest()).id}`;
    const rowOf = (page: Page) => page.getByRole('row', { name: 'lab-pc-7' });
    const saysWho = async (page: Page) =>
      expect(await rowOf(page).innerText()).toMatch(/Running\s+ada@example.org/);
    const page = await open(path);
    await rowOf(page).getByText('Being destroyed').waitFor();

    // This page hears of the later machine before it hears what became of the one that was destroyed.
    const early = await open('/admin/operations');
    const changed = [{ ...had, status: 'running', assignment: null }];
    const vms = [
      { hostname: 'lab-pc-7', state: 'destroyed', seconds: null, detail: null, at: had?.created_at },
    ];
    const events = [
      `event: vms\ndata: ${JSON.stringify({ all: null, gone: [], changed })}\n\n`,
      `event: operation_vms\ndata: ${JSON.stringify({ vms })}\n\n`,
    ];
    await early.route('**/events?vms=true*', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: events.join('') }),
    );
    await early.goto(lab.server.url + path);
    await rowOf(early).getByText('Destroyed', { exact: true }).waitFor();
    await saysWho(early);

    lab.provider.release();
    await rowOf(page).getByText('Not in the list').waitFor();
    await rowOf(page).getByText('Destroyed', { exact: true }).waitFor();
    await client.POST('/api/vm-status', { body: { hostname: 'lab-pc-7', status: 'running' } });
    await rowOf(page).getByText('Running', { exact: true }).waitFor();
    await saysWho(page);
    await page.reload();
    await saysWho(page);
  });
});

// The table of machines in a real browser: live, searched, sorted, in pages, with a thousand rows.
import { sql } from 'kysely';
import type { Page, Route } from 'playwright-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { vmFilters } from '../../src/vms/vm-table.ts';
import { fillLab, labHostname } from '../support/workshop-rows.ts';
import { hasBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { isInOrder, useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { hostnamesOf } from '../support/table-rows.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';

const broken = labHostname(3);

/** The part of HTMLElement that the test of the scroll position uses: Node's types have none. */
type ScrolledLink = {
  scrollIntoView(options: object): void;
  getBoundingClientRect(): { readonly y: number };
  click(): void;
};

describe.skipIf(!hasBrowser)('the table of machines in a browser', () => {
  const { complaints, lab, open } = useFleetBrowser();
  beforeEach(() => emptyTables(lab.server.db));

  const report = (hostname: string, status: 'running' | 'error') =>
    lab.server.client.POST('/api/vm-status', { body: { hostname, status } });

  /**
   * Goes to the table when it can say up to where it has all changes, and so reads the other machines by itself. It cannot while a
   * transaction is open, of another test in another database too: its stream then sends all machines.
   */
  const goWithCursor = (page: Page, path: string) =>
    expect
      .poll(async () => {
        await page.goto(lab.server.url + path);
        return page.locator('[data-stream*="after="]').count();
      }, WAIT)
      .toBe(1);

  test('rows are added, change in place and are removed while the page is open, and the focus stays', async () => {
    await insertFreeVms(lab.server.db, ['vm-10', 'vm-2']);
    const page = await open('/admin/instances');
    expect(await hostnamesOf(page)).toEqual(['vm-2', 'vm-10']);
    await page.getByRole('link', { name: 'vm-10', exact: true }).focus();
    await report('vm-10', 'error');
    const row = page.getByRole('row', { name: 'vm-10' });
    await row.getByText('Error', { exact: true }).waitFor();
    await row.getByText('The machine reported an error.').waitFor();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('vm-10');
    await page.getByLabel('Search').focus();
    await report('vm-1', 'running');
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(['vm-1', 'vm-2', 'vm-10']);
    await lab.server.db.deleteFrom('vms').where('hostname', '=', 'vm-2').execute();
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(['vm-1', 'vm-10']);
    await isInOrder(page);
  });

  test('search, filter and sort apply immediately, and the address keeps them', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    await page.getByLabel('Search').fill('grace');
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual([labHostname(2)]);
    await page.getByText('Machines: 1 / 12').waitFor();
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Show').selectOption('Error');
    expect(await hostnamesOf(page)).toEqual([broken, labHostname(7)]);
    // A released machine is nobody's any more, as the server has it.
    await page.getByLabel('Show').selectOption('Assigned');
    expect(await hostnamesOf(page)).toEqual([1, 2, 3, 4].map(labHostname));
    await page.getByLabel('Show').selectOption('Error');
    await page.getByRole('link', { name: 'Machine', exact: true }).press('Enter');
    expect(await hostnamesOf(page)).toEqual([labHostname(7), broken]);
    expect(await page.getByRole('columnheader', { name: 'Machine' }).getAttribute('aria-sort')).toBe(
      'descending',
    );
    await page.reload();
    expect(await hostnamesOf(page)).toEqual([labHostname(7), broken]);
    // The page began with two machines, and knows the others all the same.
    await page.getByLabel('Show').selectOption('All machines');
    await expect.poll(async () => (await hostnamesOf(page)).length, WAIT).toBe(12);
    await page.getByLabel('Search').fill('nobody at all');
    await page.getByText('No machines match.').waitFor();
    await isInOrder(page);
    await page.getByRole('link', { name: 'Show all' }).click();
    expect(await hostnamesOf(page)).toHaveLength(12);
  });

  test('a machine that takes too long is marked while the page is open, without an event', async () => {
    await insertFreeVms(lab.server.db, ['vm-1']);
    await sql`update vms set status = 'initializing', status_since = now() - interval '14 minutes 50 seconds'`.execute(
      lab.server.db,
    );
    const page = await open('/admin/instances');
    await page.getByRole('cell').getByText('Starting').waitFor();
    await page
      .getByText('Starting has taken 15 minutes (normally 5). Check the log.')
      .waitFor({ timeout: 60_000 });
  }, 90_000);

  test('without JavaScript many machines are on several pages', async () => {
    await insertFreeVms(lab.server.db, vmNames(60));
    const page = await open('/admin/instances', { javaScriptEnabled: false });
    await page.getByRole('link', { name: 'Machine', exact: true }).click();
    await page.getByRole('link', { name: 'Next' }).click();
    await page.getByText('Page 2 of 3').waitFor();
    expect(await hostnamesOf(page)).toEqual(vmNames(60).toReversed().slice(25, 50));
    await page.getByRole('link', { name: 'Next' }).click();
    expect(await hostnamesOf(page)).toHaveLength(10);
    expect(await page.getByRole('link', { name: 'Next' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Previous' }).click();
    await page.getByText('Page 2 of 3').waitFor();
  });

  /** The hostnames of the CSV that the page links to. */
  const csvHostnames = async (page: Page): Promise<string[]> => {
    const href = await page.getByRole('link', { name: 'Download as CSV' }).getAttribute('href');
    const csv = await (await fetch(lab.server.url + href!, { headers: lab.auth })).text();
    return csv
      .split('\r\n')
      .slice(1, -1)
      .map((line) => line.split(',')[0]!);
  };

  test('the CSV has exactly the machines that the table shows, for every filter, a search and an order', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    const plain = await open('/admin/instances', { javaScriptEnabled: false });
    const counts: number[] = [];
    for (const show of vmFilters) {
      await page.getByLabel('Show').selectOption(show);
      const shown = await hostnamesOf(page);
      counts.push(shown.length);
      expect(await csvHostnames(page), show).toEqual(shown);
      await plain.goto(`${lab.server.url}/admin/instances?show=${show}&sort=-seen`);
      expect((await hostnamesOf(plain)).toSorted(), show).toEqual(shown.toSorted());
      expect(await csvHostnames(plain), show).toEqual(await hostnamesOf(plain));
    }
    expect(new Set(counts).size).toBeGreaterThan(4);
    await page.getByLabel('Show').selectOption('all');
    await page.getByLabel('Search').fill('GRACE');
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual([labHostname(2)]);
    expect(await csvHostnames(page)).toEqual([labHostname(2)]);
    await page.getByLabel('Search').fill('');
    await page.getByRole('link', { name: 'Status', exact: true }).click();
    await page.getByRole('link', { name: 'Status', exact: true }).click();
    expect(await csvHostnames(page)).toEqual(await hostnamesOf(page));
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download as CSV' }).click();
    expect((await download).suggestedFilename()).toBe('machines.csv');
  });

  test('the page arrives with the first of many machines, and the others follow, whatever changes meanwhile', async () => {
    await insertFreeVms(lab.server.db, vmNames(120));
    const vmName = (number: number) => vmNames(number).at(-1)!;
    const page = await open('/check');
    const reads: Route[] = [];
    await page.route('**/api/v1/vms?*', (route) => void reads.push(route));
    await goWithCursor(page, '/admin/instances?q=test-11');
    await expect.poll(() => reads.length, WAIT).toBe(1);
    expect(await hostnamesOf(page)).toHaveLength(11);
    // What is searched before the others are there is found when they are.
    await page.getByLabel('Search').fill('test-10');
    await page.getByText('Not all machines have loaded yet.').waitFor();
    await reads[0]?.abort();
    await expect.poll(() => reads.length, WAIT).toBe(2);
    // The answer is older than what the stream tells before it comes.
    const answer = await reads[1]?.fetch();
    await lab.server.db
      .deleteFrom('vms')
      .where('hostname', 'in', [vmName(20), vmName(110)])
      .execute();
    await report(vmName(21), 'error');
    await page.locator(`[data-hostname="${vmName(110)}"]`).waitFor({ state: 'detached' });
    await page.locator(`[data-hostname="${vmName(21)}"]`).waitFor({ state: 'attached' });
    await reads[1]?.fulfill({ response: answer! });
    await page.getByText('Machines: 11 / 118').waitFor();
    await page.getByLabel('Search').fill('');
    await page.getByText('Machines: 118', { exact: true }).waitFor();
    const names = vmNames(120).filter((name) => name !== vmName(20) && name !== vmName(110));
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(names);
    await page
      .getByRole('row', { name: vmName(21) })
      .getByText('Error', { exact: true })
      .waitFor();
    await isInOrder(page);
    complaints.length = 0;
  });

  test('until all machines are loaded the server searches, and the focus is not lost when they arrive', async () => {
    await insertFreeVms(lab.server.db, vmNames(60));
    const page = await open('/check');
    const reads: Route[] = [];
    await page.route('**/api/v1/vms?*', (route) => void reads.push(route));
    await goWithCursor(page, '/admin/instances');
    await page.getByLabel('Search').fill('test-5');
    expect(await hostnamesOf(page)).toHaveLength(1);
    await page.getByLabel('Search').press('Enter');
    await page.getByText('Machines: 11 / 60').waitFor();
    expect(await hostnamesOf(page)).toHaveLength(11);
    reads.length = 0;
    await goWithCursor(page, '/admin/instances');
    await page.getByRole('link', { name: 'Next' }).focus();
    await expect.poll(() => reads.length, WAIT).toBe(1);
    await reads[0]?.continue();
    await page.getByRole('link', { name: 'Next' }).waitFor({ state: 'hidden' });
    expect(await page.evaluate(`document.activeElement.matches('[data-table]')`)).toBe(true);
    expect(await hostnamesOf(page)).toEqual(vmNames(60));
  });

  test('rows that arrive while a row has the focus are put around it', async () => {
    await insertFreeVms(lab.server.db, vmNames(60));
    const page = await open('/check');
    const reads: Route[] = [];
    await page.route('**/api/v1/vms?*', (route) => void reads.push(route));
    await goWithCursor(page, '/admin/instances?page=2');
    const [, , focused = ''] = await hostnamesOf(page);
    await page.getByRole('link', { name: focused, exact: true }).focus();
    await expect.poll(() => reads.length, WAIT).toBe(1);
    await reads[0]?.continue();
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(vmNames(60));
    expect(await page.evaluate('document.activeElement.textContent')).toBe(focused);
  });

  test('a machine that is removed before it was drawn is never drawn', async () => {
    await insertFreeVms(lab.server.db, vmNames(60));
    const page = await open('/check');
    // As in a tab that nobody looks at, and with a stream that says when.
    await page.addInitScript(`
      window.held_ = [];
      window.requestAnimationFrame = (draw) => held_.push(draw);
      window.EventSource = class { constructor() { window.stream_ = this; } close() {}
        addEventListener(name, listen) { this.tell = (data) => listen({ data: JSON.stringify(data), lastEventId: '' }); } };
    `);
    const answer = page.waitForResponse('**/api/v1/vms?*');
    await goWithCursor(page, '/admin/instances');
    await (await answer).finished();
    await expect.poll(() => page.evaluate('held_.length'), WAIT).toBe(1);
    const there = JSON.stringify(vmNames(60).slice(0, 50));
    await page.evaluate(`stream_.tell({ all: ${there}, changed: [], gone: [] })`);
    await page.evaluate('held_.splice(0).forEach((draw) => draw(performance.now()))');
    await page.getByText('Machines: 50', { exact: true }).waitFor();
    expect(await hostnamesOf(page)).toEqual(vmNames(50));
  });

  test('going back to the table restores the scroll position, also among rows that arrive after the page', async () => {
    await insertFreeVms(lab.server.db, vmNames(100));
    // Rows of two heights: those out of sight are guessed.
    await sql`update vms set status = 'error' where hostname like '%5'`.execute(lab.server.db);
    const page = await open('/admin/instances');
    const link = page.getByRole('link', { name: vmNames(80).at(-1)!, exact: true });
    await link.waitFor({ state: 'attached' });
    // Rows that come into sight get their heights in the next frame, and move the others.
    const top = () => link.evaluate((shown: ScrolledLink) => shown.getBoundingClientRect().y);
    const center = async (): Promise<number> => {
      await link.evaluate((shown: ScrolledLink) =>
        shown.scrollIntoView({ block: 'center', behavior: 'instant' }),
      );
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      return top();
    };
    let before = await center();
    for (let next = await center(); next !== before; next = await center()) before = next;
    await link.evaluate((shown: ScrolledLink) => shown.click());
    await page.getByRole('heading', { level: 1, name: vmNames(80).at(-1)! }).waitFor();
    await page.goBack();
    await expect.poll(top, WAIT).toBeCloseTo(before, 0);
    expect(await page.evaluate('scrollY')).toBeGreaterThan(2_000);
    // A visit of its own begins at the top.
    await page.goto(`${lab.server.url}/admin/instances`);
    await page.getByText('Machines: 100', { exact: true }).waitFor();
    expect(await page.evaluate('scrollY')).toBe(0);
  });

  test('a page of a thousand machines is small on the wire, and shows changes of all of them', async () => {
    await insertFreeVms(
      lab.server.db,
      Array.from({ length: 1_000 }, (_, index) => `vm-${index + 1}`),
    );
    const page = await open('/admin/instances');
    await expect.poll(async () => page.locator('tbody tr').count(), WAIT).toBe(1_000);
    const bytes = await page.evaluate<number>(
      `performance.getEntries().reduce((sum, { transferSize = 0 }) => sum + transferSize, 0)`,
    );
    expect(bytes).toBeLessThan(200_000);
    await sql`update vms set in_use = true`.execute(lab.server.db);
    await expect
      .poll(
        () =>
          page.evaluate(
            `[...document.querySelectorAll('tbody tr')].filter((row) => row.cells[3].textContent === 'Yes').length`,
          ),
        {
          ...WAIT,
          timeout: 20_000,
        },
      )
      .toBe(1_000);
  });
});

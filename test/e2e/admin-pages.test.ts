// The lab, the machines and one machine in a real browser: with JavaScript and without, live, with a lost connection, by
// keyboard, on a phone.
import { sql } from 'kysely';
import type { Browser, BrowserContext, BrowserContextOptions, Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { takeDelivery } from '../../src/db/delivery.ts';
import { findVm } from '../../src/db/vms.ts';
import { fillLab, labHostname } from '../support/admin-lab.ts';
import { findWithAxe } from '../support/axe.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { WAIT } from '../support/operations.ts';
import { ADMIN } from '../support/server.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';

const PHONE = { viewport: { width: 390, height: 844 } };
const [first, , broken] = [1, 2, 3].map(labHostname) as [string, string, string];

describe.skipIf(!hasBrowser)("the admin's pages in a browser", () => {
  let lab: FleetServer;
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    lab = await startFleetServer();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await lab[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await sql`truncate vms, audit_events cascade`.execute(lab.server.db);
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({
      httpCredentials: { username: ADMIN.user, password: ADMIN.password },
      ...options,
    });
    contexts.push(context);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(lab.server.url + path);
    return page;
  }

  async function isInOrder(page: Page): Promise<void> {
    expect(await findWithAxe(page)).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  }

  /** In both schemes, at both widths. */
  async function isInOrderEverywhere(page: Page): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const size of [PHONE.viewport, { width: 1280, height: 900 }]) {
        await page.setViewportSize(size);
        await isInOrder(page);
      }
    }
  }

  const report = (hostname: string, status: 'running' | 'error') =>
    lab.server.client.POST('/api/vm-status', { body: { hostname, status } });
  const hostnamesOf = (page: Page) => page.locator('tbody tr:visible th a').allTextContents();

  test('a new lab says what to do first, and comes to life by itself', async () => {
    const page = await open('/admin');
    await page.getByRole('heading', { name: 'A new lab' }).waitFor();
    await isInOrderEverywhere(page);
    await report('lab-vm-prod-1', 'running');
    await page.getByText('Nothing needs you right now.').waitFor();
    await report('lab-vm-prod-1', 'error');
    const entry = page.getByRole('listitem').filter({ hasText: 'It has reported an error.' });
    await entry.getByRole('link', { name: 'See what can be done' }).waitFor();
    await page.getByText('No machine is free').waitFor();
    await isInOrder(page);
  });

  test('the overview names what needs the admin first, keeps the focus, and leads to the remedy', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin');
    await isInOrderEverywhere(page);
    const lost = page.getByRole('link', { name: `Give another machine: ${broken}` });
    await lost.focus();
    await report(labHostname(7), 'running');
    await page.getByRole('link', { name: labHostname(7), exact: true }).waitFor({ state: 'detached' });
    expect(await lost.evaluate('document.activeElement.textContent')).toBe('Give another machine');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/admin/vms/${broken}#deeds`);
    await page.locator('summary', { hasText: 'Give another machine' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('The person has this machine now.').waitFor();
    await isInOrder(page);
    expect(new URL(page.url()).pathname).not.toContain(broken);
    await page.getByText('joan@example.org').first().waitFor();
    await page.getByText('It is running.').first().waitFor();
  });

  test('a running operation shows with its progress', async () => {
    lab.provider.script.holdAfter = 1;
    await lab.launch(2);
    const page = await open('/admin');
    await page.getByText('1 of 2 machines made.').waitFor();
    expect(await page.getByLabel('Progress').getAttribute('value')).toBe('1');
    await isInOrder(page);
    await lab.idle();
    await page.getByText('No launch and no destroy is running.').waitFor();
  });

  test('the table is live: rows come, change in place and go, and the focus stays', async () => {
    await insertFreeVms(lab.server.db, ['vm-10', 'vm-2']);
    const page = await open('/admin/instances');
    expect(await hostnamesOf(page)).toEqual(['vm-2', 'vm-10']);
    await page.getByRole('link', { name: 'vm-10', exact: true }).focus();
    await report('vm-10', 'error');
    const row = page.getByRole('row', { name: 'vm-10' });
    await row.getByText('Error', { exact: true }).waitFor();
    await row.getByText('It has reported an error.').waitFor();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('vm-10');
    await page.getByLabel('Search').focus();
    await report('vm-1', 'running');
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(['vm-1', 'vm-2', 'vm-10']);
    await lab.server.db.deleteFrom('vms').where('hostname', '=', 'vm-2').execute();
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual(['vm-1', 'vm-10']);
    await isInOrder(page);
  });

  test("what happens to somebody's command shows without a reload", async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    const row = page.getByRole('row', { name: 'mary@example.org' });
    await row.getByText('Command not fetched yet').waitFor();
    await sql`update vm_presence set confirms = true`.execute(lab.server.db);
    await takeDelivery(lab.server.db, labHostname(4), 600);
    await row.getByText('Command sent').waitFor();
    await isInOrderEverywhere(page);
  });

  test('search, filter and sort work at once, and the address keeps them', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    await page.getByLabel('Search').fill('grace');
    await expect.poll(() => hostnamesOf(page), WAIT).toEqual([labHostname(2)]);
    await page.getByText('Machines: 1 / 12').waitFor();
    await page.getByLabel('Search').fill('');
    await page.getByLabel('Show').selectOption('Error');
    expect(await hostnamesOf(page)).toEqual([broken, labHostname(7)]);
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
    await page.getByText('No machine matches.').waitFor();
    await isInOrder(page);
    await page.getByRole('link', { name: 'Show all' }).click();
    expect(await hostnamesOf(page)).toHaveLength(12);
  });

  test('what takes too long says so while the page is looked at', async () => {
    await insertFreeVms(lab.server.db, ['vm-1']);
    await sql`update vms set status = 'initializing', status_since = now() - interval '14 minutes 50 seconds'`.execute(
      lab.server.db,
    );
    const page = await open('/admin/instances');
    await page.getByRole('cell').getByText('Initializing').waitFor();
    await page.getByText('Starting for 15 minutes, usually 5: look at its log.').waitFor({ timeout: 60_000 });
  }, 90_000);

  test('a lost connection is said, and what was missed is made up for', async () => {
    await fillLab(lab.server.db);
    const table = await open('/admin/instances');
    const overview = await open('/admin');
    const machine = await open(`/admin/vms/${first}`);
    const pages = [table, overview, machine];
    await table.getByText('ada@example.org').waitFor();
    for (const page of pages) await page.context().setOffline(true);
    for (const page of [overview, machine])
      await page.locator('[data-connection][data-state="lost"]').waitFor();
    await report(first, 'error');
    for (const page of pages) await page.context().setOffline(false);
    await table.getByRole('row', { name: 'ada@example.org' }).getByText('Error', { exact: true }).waitFor();
    await overview.getByRole('link', { name: `Give another machine: ${first}` }).waitFor();
    await machine.getByText('It has reported an error, and its person cannot work.').waitFor();
    complaints.length = 0;
  });

  test('one machine: its person, the PIN on demand, what can be done; letting in is one click', async () => {
    await fillLab(lab.server.db);
    const page = await open(`/admin/vms/${first}`);
    await isInOrderEverywhere(page);
    const pin = page.locator('.pin');
    expect(await pin.isVisible()).toBe(false);
    await page.getByText('Show the PIN').click();
    await pin.getByText('123456').waitFor();
    // What the reader opened stays open through what changes.
    await report(first, 'error');
    await page.getByText('Give them another machine.').waitFor();
    expect(await pin.isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Let them in' }).click();
    await page.getByText('The next browser with this e-mail is let in without the PIN until').waitFor();
    await page.getByText('Let in from the next browser: ada@example.org.').waitFor();
    await isInOrder(page);
  });

  test('a deed that cannot be done any more says why, and loading the page again does not repeat it', async () => {
    await fillLab(lab.server.db);
    const page = await open(`/admin/vms/${first}`, PHONE);
    await page.locator('summary', { hasText: 'Release it' }).click();
    const vm = await findVm(lab.server.db, first);
    await lab.server.admin.POST('/api/v1/vms/{hostname}/give-another', {
      params: { path: { hostname: first } },
    });
    await page.getByRole('button', { name: 'Let them in' }).waitFor({ state: 'detached' });
    await page.evaluate(`fetch('/api/v1/vms/${first}/let-in', { method: 'POST', headers: { Accept: 'text/html' } })
      .then((answer) => answer.text()).then((text) => { document.title = text.includes('Nobody has this machine any more') ? 'told' : text; })`);
    await expect.poll(() => page.title(), WAIT).toBe('told');
    expect(vm?.assignment?.email).toBe('ada@example.org');
    complaints.length = 0;
  });

  test('without JavaScript: filter, sort, deeds with their confirmation, and their answers', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances', { javaScriptEnabled: false });
    await page.getByLabel('Search').fill('example.org');
    await page.getByLabel('Show').selectOption('Assigned');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('link', { name: 'Machine', exact: true }).click();
    expect(await hostnamesOf(page)).toEqual([4, 3, 2, 1].map(labHostname));
    await page.getByRole('link', { name: first, exact: true }).click();
    await page.locator('summary', { hasText: 'Release it' }).click();
    await page.getByRole('button', { name: 'Yes, do it: Release it' }).click();
    await page.getByText('The machine was released.').waitFor();
    await page.getByText('The work of this person is still on it').waitFor();
    await page.goto(`${lab.server.url}/admin/vms/${labHostname(7)}`);
    await page.getByRole('button', { name: 'Mark healthy' }).click();
    await page.getByText('The machine counts as healthy').waitFor();
    await page.goto(`${lab.server.url}/admin`);
    await page.getByText('What needs you').waitFor();
  });

  test('without JavaScript: many machines are on several pages', async () => {
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

  test('the CSV has what the table shows', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances?show=error');
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download as CSV' }).click();
    expect((await download).suggestedFilename()).toBe('machines.csv');
  });

  test('of many machines the page comes with the first, and the others follow, whatever happens meanwhile', async () => {
    await insertFreeVms(lab.server.db, vmNames(120));
    const vmName = (number: number) => vmNames(number).at(-1)!;
    const page = await open('/check');
    const reads: Route[] = [];
    await page.route('**/api/v1/vms?*', (route) => void reads.push(route));
    await page.goto(`${lab.server.url}/admin/instances?q=test-11`);
    await expect.poll(() => reads.length, WAIT).toBe(1);
    expect(await hostnamesOf(page)).toHaveLength(11);
    // What is searched before the others are there is found when they are.
    await page.getByLabel('Search').fill('test-10');
    await page.getByText('Machines: 11 / 120').waitFor();
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

  test('a thousand machines: the page is small on the wire, and stays smooth while they change', async () => {
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

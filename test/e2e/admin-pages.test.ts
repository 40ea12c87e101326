// The lab and one machine in a real browser: with JavaScript and without, live, with a lost connection, by keyboard, on a
// phone.
import { sql } from 'kysely';
import { beforeEach, describe, expect, test } from 'vitest';
import { takeDelivery } from '../../src/db/delivery.ts';
import { findVm } from '../../src/db/vms.ts';
import { fillLab, labHostname } from '../support/workshop-rows.ts';
import { hasBrowser } from '../support/browser.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { isInOrder, isInOrderEverywhere, useFleetBrowser } from '../support/fleet-browser.ts';
import { hostnamesOf } from '../support/table-rows.ts';
import { WAIT } from '../support/operations.ts';

const PHONE = { viewport: { width: 390, height: 844 } };
const [first, , broken] = [1, 2, 3].map(labHostname) as [string, string, string];

describe.skipIf(!hasBrowser)("the admin's pages in a browser", () => {
  const { complaints, lab, open } = useFleetBrowser();
  beforeEach(() => emptyTables(lab.server.db));

  const report = (hostname: string, status: 'running' | 'error') =>
    lab.server.client.POST('/api/vm-status', { body: { hostname, status } });

  test('the overview of a new lab says what to do first, and updates itself', async () => {
    const page = await open('/admin');
    await page.getByRole('heading', { name: 'There are no machines' }).waitFor();
    await isInOrderEverywhere(page);
    await report('lab-vm-prod-1', 'running');
    await page.getByText('Nothing needs your attention.').waitFor();
    await report('lab-vm-prod-1', 'error');
    const entry = page.getByRole('listitem').filter({ hasText: 'The machine reported an error.' });
    await entry.getByRole('link', { name: 'View actions' }).waitFor();
    await page.getByText('No machine is free').waitFor();
    await isInOrder(page);
  });

  test('the overview names what needs the admin first, keeps the focus, and leads to the remedy', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin');
    await isInOrderEverywhere(page);
    const lost = page.getByRole('link', { name: `Assign another machine: ${broken}` });
    await lost.focus();
    await report(labHostname(7), 'running');
    await page.getByRole('link', { name: labHostname(7), exact: true }).waitFor({ state: 'detached' });
    expect(await lost.evaluate('document.activeElement.textContent')).toBe('Assign another machine');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/admin/vms/${broken}#actions`);
    await page.getByRole('button', { name: /^Assign another machine…/ }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('The participant has this machine now').waitFor();
    await isInOrder(page);
    expect(new URL(page.url()).pathname).not.toContain(broken);
    await page.getByText('joan@example.org').first().waitFor();
    await page.getByText('The machine is running.').first().waitFor();
  });

  test('the overview shows a running operation with its progress', async () => {
    lab.provider.script.holdAfter = 1;
    await lab.launch(2);
    const page = await open('/admin');
    await page.getByText('1 of 2 machines created.').waitFor();
    expect(await page.getByLabel('Progress').getAttribute('value')).toBe('1');
    await isInOrder(page);
    await lab.idle();
    await page.getByText('Current operation').waitFor({ state: 'detached' });
  });

  test("the delivery of a participant's command is shown without a reload", async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances');
    const row = page.getByRole('row', { name: 'mary@example.org' });
    await row.getByText('Command not picked up yet').waitFor();
    await sql`update vm_presence set confirms = true`.execute(lab.server.db);
    await takeDelivery(lab.server.db, labHostname(4), 600);
    await row.getByText('Command sent').waitFor();
    await isInOrderEverywhere(page);
  });

  test('a lost connection is shown, and changes that were missed are shown afterwards', async () => {
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
    await overview.getByRole('link', { name: `Assign another machine: ${first}` }).waitFor();
    await machine.getByText('The machine reported an error and its participant cannot work.').waitFor();
    complaints.length = 0;
  });

  test('the page of a machine shows its participant, the PIN on demand and the actions; allowing a browser asks first', async () => {
    await fillLab(lab.server.db);
    const page = await open(`/admin/vms/${first}`);
    await isInOrderEverywhere(page);
    const pin = page.locator('.pin');
    expect(await pin.isVisible()).toBe(false);
    await page.getByText('Show PIN').click();
    await pin.getByText('123456').waitFor();
    // What the reader opened stays open through what changes.
    await report(first, 'error');
    await page.getByText('Assign another machine.').waitFor();
    expect(await pin.isVisible()).toBe(true);
    await page.getByRole('button', { name: /^Allow a new browser…/ }).click();
    const question = page.getByRole('dialog', { name: /^Allow a new browser/ });
    await question.getByRole('button', { name: 'Allow a new browser' }).click();
    await page.getByText('The next browser that submits this e-mail address does not need the PIN').waitFor();
    await page.getByText(/New browser allowed/).waitFor();
    await isInOrder(page);
  });

  test('an action that is no longer possible says why, and loading the page again does not repeat it', async () => {
    await fillLab(lab.server.db);
    const page = await open(`/admin/vms/${first}`, PHONE);
    await page.getByRole('button', { name: /^Release machine…/ }).click();
    const vm = await findVm(lab.server.db, first);
    await lab.server.admin.POST('/api/v1/vms/{hostname}/reassign', {
      params: { path: { hostname: first } },
    });
    await page.getByRole('button', { name: 'Allow a new browser' }).waitFor({ state: 'detached' });
    await page.evaluate(`fetch('/api/v1/vms/${first}/allow-browser', { method: 'POST', headers: { Accept: 'text/html' } })
      .then((answer) => answer.text()).then((text) => { document.title = text.includes('This machine is not assigned.') ? 'told' : text; })`);
    await expect.poll(() => page.title(), WAIT).toBe('told');
    expect(vm?.assignment?.email).toBe('ada@example.org');
    complaints.length = 0;
  });

  test('without JavaScript an admin filters, sorts, and confirms actions', async () => {
    await fillLab(lab.server.db);
    const page = await open('/admin/instances', { javaScriptEnabled: false });
    await page.getByLabel('Search').fill('example.org');
    await page.getByLabel('Show').selectOption('Assigned');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('link', { name: 'Machine', exact: true }).click();
    expect(await hostnamesOf(page)).toEqual([4, 3, 2, 1].map(labHostname));
    await page.getByRole('link', { name: first, exact: true }).click();
    await page.getByRole('button', { name: /^Release machine…/ }).click();
    const question = page.getByRole('dialog', { name: /^Release machine/ });
    await question.getByRole('button', { name: 'Cancel' }).click();
    expect(await question.isVisible()).toBe(false);
    await page.getByRole('button', { name: /^Release machine…/ }).click();
    expect(await question.innerText()).toContain('ada@example.org');
    await question.getByRole('button', { name: 'Release machine' }).click();
    await page.getByText('The machine was released.').waitFor();
    await page.getByText('This participant’s files are still on the machine.').waitFor();
    await page.goto(`${lab.server.url}/admin/vms/${labHostname(7)}`);
    await page.getByRole('button', { name: 'Mark as healthy' }).click();
    await page.getByText('The machine counts as healthy').waitFor();
    await page.goto(`${lab.server.url}/admin`);
    await page.getByText('Needs attention').waitFor();
  });
});

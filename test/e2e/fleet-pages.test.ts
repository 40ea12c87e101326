// Launching, watching, cancelling and destroying in a real browser, with a scripted provider.
import type { Page } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { isInOrder, isInOrderEverywhere, useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';

/** Axe looks at a page four times over: with many tests beside it, that takes its time. */
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!hasBrowser)('the fleet in a browser', () => {
  const { complaints, lab, open } = useFleetBrowser();

  async function launch(page: Page, numVms: number): Promise<void> {
    await page.getByLabel('Number of machines').fill(String(numVms));
    await page.getByRole('button', { name: 'Launch' }).click();
  }
  /** Of a machine without a token. */
  const report = async (hostname: string, status: 'initializing' | 'running'): Promise<void> => {
    await lab.server.db
      .updateTable('vms')
      .set({ token_hash: null })
      .where('hostname', '=', hostname)
      .execute();
    await lab.server.client.POST('/api/vm-status', { body: { hostname, status } });
  };

  test('an admin launches machines and sees them come up without loading the page again', async () => {
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/create');
    await isInOrderEverywhere(page);
    await launch(page, 3);
    await page.getByRole('log').getByText('The provider starts.').waitFor();
    await page.getByText('1 of 3 machines created.').waitFor();
    await isInOrderEverywhere(page);
    expect(new URL(page.url()).pathname).toMatch(/^\/admin\/operations\/[0-9a-f-]{36}$/);
    const first = page.getByRole('row', { name: 'lab-vm-prod-1' });
    await first.getByText('1.5 s').waitFor();
    await first.getByText('Not reported yet').waitFor();
    const second = page.getByRole('row', { name: 'lab-vm-prod-2' });
    await second.getByText('Being created').waitFor();
    await report('lab-vm-prod-1', 'running');
    await first.getByText('Running').waitFor();
    await page.getByText('1 of 3 machines are ready.').waitFor();
    lab.provider.release();
    await page.getByText('3 machines were created.').waitFor();
    await second.getByText('Created', { exact: true }).waitFor();
    await page.getByText('1 of 3 machines are ready.').waitFor();
    await page.getByRole('log').getByText('Done.').waitFor();
    expect(await page.getByRole('button', { name: 'Cancel operation' }).isVisible()).toBe(false);
    expect(await page.getByRole('log').locator('li', { hasText: 'The provider starts.' }).count()).toBe(1);
    await page.reload();
    await page.getByText('3 machines were created.').waitFor();
    await page.getByText('1 of 3 machines are ready.').waitFor();
    await report('lab-vm-prod-2', 'running');
    await report('lab-vm-prod-3', 'running');
    await page.getByText('All 3 machines are ready.').waitFor();
    await isInOrder(page);
  });

  test('a machine that could not be created stays on the page, with the reason', async () => {
    lab.provider.script.failing = new Map([['lab-vm-prod-5', 'There is no capacity.']]);
    const { id } = await lab.launch(2);
    await lab.idle();
    const page = await open(`/admin/operations/${id}`);
    await page.getByRole('row', { name: 'lab-vm-prod-5' }).getByText('There is no capacity.').waitFor();
    lab.provider.script.failing = new Map();
    await isInOrderEverywhere(page);
  });

  test('the launch form suggests a number of machines while the number of people is typed, without JavaScript after Suggest', async () => {
    const page = await open('/admin/create');
    await page.getByLabel('How many participants do you expect?').fill('40');
    await page.getByText('Suggested: 44').waitFor();
    expect(await page.getByLabel('Number of machines').inputValue()).toBe('44');
    const plain = await open('/admin/create', { javaScriptEnabled: false });
    await plain.getByLabel('How many participants do you expect?').fill('forty');
    await plain.getByLabel('How many participants do you expect?').press('Enter');
    await plain.getByText('Enter the number of participants as a whole number').waitFor();
    expect(await plain.getByLabel('How many participants do you expect?').inputValue()).toBe('forty');
    await plain.getByLabel('How many participants do you expect?').fill('25');
    await plain.getByRole('button', { name: 'Suggest a number' }).click();
    await plain.getByText('Suggested: 28').waitFor();
    expect(await plain.getByLabel('Number of machines').inputValue()).toBe('28');
  });

  test('a number that is too large is an error at its field, and what was typed is kept', async () => {
    const page = await open('/admin/create');
    await page.evaluate(`document.querySelector('#num-vms').removeAttribute('max')`);
    await launch(page, 101);
    const field = page.getByLabel('Number of machines');
    await page.locator('#num-vms-error').getByText('at most 100 at a time').waitFor();
    expect(await field.inputValue()).toBe('101');
    expect(await field.getAttribute('aria-invalid')).toBe('true');
  });

  test('a launch is cancelled from its page, which shows both steps of the cancellation', async () => {
    lab.provider.script.holdAfter = 0;
    lab.provider.script.stopsOn = 'force';
    const page = await open('/admin/create');
    await launch(page, 2);
    const cancel = page.getByRole('button', { name: 'Cancel operation' });
    await cancel.focus();
    await page.keyboard.press('Enter');
    const asked = page.getByRole('listitem').getByText('Cancellation requested');
    await asked.waitFor();
    await page.getByText('Cancelling: steps in progress').waitFor();
    await isInOrderEverywhere(page);
    await page.getByRole('status').getByText('Cancelled. None was created.').waitFor();
    lab.provider.script.stopsOn = 'cancel';
    expect(await asked.isVisible()).toBe(false);
    await isInOrder(page);
  });

  test('a launch while an operation runs is refused with a link to that operation', async () => {
    lab.provider.script.holdAfter = 0;
    await lab.launch(1);
    const page = await open('/admin/create');
    await isInOrderEverywhere(page);
    await page.getByRole('link', { name: 'View operation' }).click();
    await page.getByRole('button', { name: 'Cancel operation' }).waitFor();
  });

  test('without JavaScript the page of an operation loads itself again until all machines run', async () => {
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/create', { javaScriptEnabled: false });
    await launch(page, 2);
    const main = page.locator('main');
    await expect.poll(() => main.innerText(), WAIT).toContain('This page reloads every few seconds.');
    lab.provider.release();
    await page.getByText('2 machines were created.').waitFor({ timeout: 15_000 });
    await page.getByText('0 of 2 machines are ready.').waitFor();
    const names = await page.locator('tr[data-hostname] th').allInnerTexts();
    for (const name of names) await report(name.replace('Log of', '').trim(), 'running');
    await page.getByText('All 2 machines are ready.').waitFor({ timeout: 15_000 });
    expect(await page.locator('meta[http-equiv="refresh"]').count()).toBe(0);
  });

  test('a page whose connection breaks shows it, reconnects and continues', async () => {
    lab.provider.script.holdAfter = 1;
    const { id } = await lab.launch(2);
    const page = await open(`/admin/operations/${id}`);
    await page.getByText('1 of 2 machines created.').waitFor();
    await page.context().setOffline(true);
    lab.provider.release();
    await expect.poll(async () => (await lab.newest()).status, WAIT).toBe('succeeded');
    await page.context().setOffline(false);
    await page.getByText('2 machines were created.').waitFor();
    const lines = await page.getByRole('log').locator('li').allTextContents();
    expect(lines).toHaveLength(new Set(lines).size);
    expect(lines.at(-1)).toContain('Done.');
    complaints.length = 0;
  });

  test('operations are listed: the running one live, older ones on further pages', async () => {
    lab.provider.script.holdAfter = 0;
    const { id } = await lab.launch(1);
    const page = await open('/admin/operations');
    const row = page.locator(`tr[data-id="${id}"]`);
    await row.getByText('Running').waitFor();
    await isInOrderEverywhere(page);
    lab.provider.release();
    await row.getByText('1 machine was created.').waitFor();
    await row.getByText('Done').waitFor();
    await row.getByRole('link').press('Enter');
    await page.getByRole('log').getByText('Done.').waitFor();
    const beyond = await open(`/admin/operations?after=${crypto.randomUUID()}`);
    await beyond.getByText('There are no older operations.').waitFor();
    await isInOrder(beyond);
    await beyond.getByRole('link', { name: 'Newest' }).click();
    await beyond.locator(`tr[data-id="${id}"]`).waitFor();
  });

  test.each([true, false])(
    'one form plans a launch and a destroy, and changes one into the other (JavaScript: %s)',
    async (javaScriptEnabled) => {
      const page = await open('/admin/schedule', { javaScriptEnabled });
      const plan = async (kind: string, button: string): Promise<void> => {
        await page.getByRole('radio', { name: kind }).check();
        await page.getByLabel('Time', { exact: true }).fill('2099-03-01T18:00');
        await page.getByLabel('Time zone').fill('UTC');
        await page.getByRole('button', { name: button, exact: true }).click();
      };
      await page.getByLabel('Number of machines').fill('3');
      await plan('Launch machines', 'Plan');
      await page.getByText('It is planned.').waitFor();
      await plan('Destroy all machines', 'Plan');
      await page
        .getByRole('link', { name: 'Change: Download all files, then destroy all machines' })
        .waitFor();
      await page.getByRole('link', { name: 'Change: Launch 3 machines' }).click();
      if (!javaScriptEnabled) {
        // Without scripts the number is sent with a destroy too, which may be a mistake.
        await plan('Destroy all machines', 'Save');
        await page.locator('#num-vms-error').getByText('leave it out for a destroy').waitFor();
        await page.getByLabel('Number of machines').fill('');
        expect(complaints.splice(0)).toEqual([expect.stringContaining('400')]);
      }
      await plan('Destroy all machines', 'Save');
      await page.getByText('The change is saved.').waitFor();
      const items = (await lab.server.admin.GET('/api/v1/schedule')).data?.items ?? [];
      expect(items.map(({ kind, num_vms: numVms, download }) => [kind, numVms, download])).toEqual([
        ['destroy', null, true],
        ['destroy', null, true],
      ]);
      for (const { id } of items)
        await lab.server.admin.POST('/api/v1/schedule/{id}/cancel', { params: { path: { id } } });
      await lab.server.db.deleteFrom('schedule').execute();
    },
  );

  test('all machines are destroyed after the name was typed and Enter pressed, and the count goes to zero', async () => {
    await lab.launch(2);
    await lab.idle();
    const before = lab.provider.machines.size;
    lab.provider.script.holdAfter = 1;
    const page = await open('/admin/instances/delete');
    await page.getByText('lab-vm-prod-1').first().waitFor();
    await isInOrderEverywhere(page);
    await page.getByLabel('To confirm').fill('something else');
    await page.getByRole('button', { name: 'Destroy all machines' }).click();
    await page.getByText('Nothing was destroyed').first().waitFor();
    await isInOrderEverywhere(page);
    await page.getByLabel('To confirm').fill('lab');
    await page.getByLabel('To confirm').press('Enter');
    await page.getByText(`${before - 1} machines are left.`).waitFor();
    expect(await page.getByText('Verified').isVisible()).toBe(false);
    await isInOrderEverywhere(page);
    lab.provider.release();
    await page.getByText('No machines are left.').first().waitFor();
    await page.getByText('Verified. 0 machines of this deployment are left on this computer.').waitFor();
    expect(lab.provider.machines.size).toBe(0);
    await isInOrder(page);
  });

  test('an admin sees the end time and the orphans, moves the end, and decides on the orphans', async () => {
    await lab.postJson('/api/launch', { num_vms: '2', hours: '3' });
    await lab.idle();
    const id = 'lab-vm-prod-9';
    lab.provider.machines.set(id, { hostname: id, operationId: null });
    const page = await open('/admin/fleet');
    await isInOrder(page);
    await page.getByText('in 3 h').first().waitFor();
    await page.getByLabel('Hours from now').fill('5');
    await page.getByRole('button', { name: 'Change shutdown time' }).click();
    await page.getByText('The machines will shut down 5 hours from now.').waitFor();
    await page.getByText('in 5 h').first().waitFor();
    await isInOrder(page);
    await page.goto(`${lab.server.url}/admin/fleet`);
    await page.getByRole('button', { name: /^Destroy….*lab-vm-prod-9/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Destroy' }).click();
    await page.getByText(/was destroyed\./).waitFor();
    await page.getByText('There are none: every machine is in the list').waitFor();
    expect(lab.provider.machines.has(id)).toBe(false);
  });

  test('the page of end and cost fits a phone, with a long list', async () => {
    lab.provider.machines.set('orphan', { hostname: `lab-vm-prod-${'9'.repeat(200)}`, operationId: null });
    const page = await open('/admin/fleet', { viewport: { width: 390, height: 844 } });
    await isInOrder(page);
    lab.provider.machines.delete('orphan');
  });

  test('without JavaScript all machines are destroyed by Enter too', async () => {
    await lab.launch(1);
    await lab.idle();
    const page = await open('/admin/instances/delete', { javaScriptEnabled: false });
    await page.getByLabel('To confirm').fill('lab');
    await page.getByLabel('To confirm').press('Enter');
    await page
      .getByText('Verified. 0 machines of this deployment are left on this computer.')
      .waitFor({ timeout: 15_000 });
    await page.getByText('No machines are left.').first().waitFor();
  });

  test('when a destroy has ended, no machine is being destroyed any more, without loading the page again', async () => {
    await lab.launch(2);
    await lab.idle();
    const [first = '', second = ''] = [...lab.provider.machines.keys()];
    Object.assign(lab.provider.script, { undeletable: new Set([second]), holdAfter: 1 });
    await lab.postJson('/api/v1/operations', { kind: 'destroy', confirm: 'lab' });
    const page = await open(`/admin/operations/${(await lab.newest()).id}`);
    const row = (hostname: string) => page.getByRole('row', { name: hostname });
    await row(first).getByText('Destroyed', { exact: true }).waitFor();
    await row(second).getByText('Being destroyed').waitFor();
    lab.provider.release();
    await row(second).getByText('Not destroyed').waitFor();
    await row(second).getByText('It still exists.').waitFor();
    await row(second).getByText('Not reported yet').waitFor();

    lab.provider.script.holdAfter = 0;
    await lab.postJson('/api/v1/operations', { kind: 'destroy', confirm: 'lab' });
    await page.goto(`${lab.server.url}/admin/operations/${(await lab.newest()).id}`);
    await row(second).getByText('Being destroyed').waitFor();
    lab.provider.script.listFails = true;
    lab.provider.release();
    await row(second).getByText('Not known').waitFor();
    await page.getByText('Could not check whether any machine is left.').first().waitFor();
    await page.reload();
    await row(second).getByText('Not known').waitFor();
    await isInOrderEverywhere(page);
    await lab.forget();
  });
});

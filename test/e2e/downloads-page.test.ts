// A download as the lab's page shows it: while it is held open, when it is done, and when the server was away.
import { describe, expect, test, vi } from 'vitest';
import { hasBrowser } from '../support/browser.ts';
import { isInOrder, useFleetBrowser } from '../support/fleet-browser.ts';
import { WAIT } from '../support/operations.ts';
import { insertFreeVms } from '../support/rows.ts';
import { startSshMachine } from '../support/ssh-machine.ts';

vi.setConfig({ testTimeout: 90_000 });

/** More than what stands in the buffers between the machine and a reader that does not read. */
const FILE_BYTES = 40_000_000;

describe.skipIf(!hasBrowser)("everybody's work in a browser", () => {
  const { complaints, lab, open } = useFleetBrowser();

  test('a running download shows its progress, then that it is done', async () => {
    const { server, auth } = lab;
    await using machine = await startSshMachine(server.dataDir, { 'big.slp': 'x'.repeat(FILE_BYTES) });
    await insertFreeVms(server.db, ['vm-1']);
    await server.db
      .updateTable('vms')
      .set({
        address: '127.0.0.1',
        ssh_user: machine.user,
        ssh_port: machine.port,
        provider: 'local',
      })
      .execute();
    const page = await open('/admin');
    const work = page.getByRole('region', { name: 'Participants’ work' });
    await work.getByText('Never downloaded').waitFor({ state: 'attached' });
    const held = await fetch(`${server.url}/api/scp-client`, { headers: auth });
    const reader = held.body?.getReader();
    await work.getByText('Downloading:').waitFor();
    await work.getByRole('progressbar', { name: 'All machines' }).waitFor();
    await isInOrder(page);
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read());
    await work.getByText(/Done: 1 \/ 1 machines, 1 file, 40\.0 MB/).waitFor();
    expect(await work.getByRole('progressbar').count()).toBe(0);
    await isInOrder(page);
  });

  test('a page whose server is away shows it, and continues when the server is back', async () => {
    const { server } = lab;
    const page = await open('/admin');
    await page.route('**/*', (route) => route.abort());
    await page.locator('[data-connection][data-state="lost"]').waitFor();
    await server.client.POST('/api/vm-status', { body: { hostname: 'vm-2', status: 'error' } });
    await page.unroute('**/*');
    await page.locator('[data-connection][data-state="back"]').waitFor();
    await expect.poll(() => page.locator('main').innerText(), WAIT).toContain('vm-2');
    complaints.length = 0;
  });
});

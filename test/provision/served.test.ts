// Launch, destroy and operations over HTTP, on a whole server with a scripted provider.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fail, succeed } from '../../src/result.ts';
import { startFleetServer, type FleetServer, type Operation } from '../support/fleet-server.ts';
import { WAIT } from '../support/operations.ts';

let lab: FleetServer;

beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await lab.idle();
  lab.provider.calls.length = 0;
  lab.provider.script.stopsOn = 'cancel';
});

describe('a launch', () => {
  test.each([
    ['missing', {}],
    ['empty', { num_vms: '' }],
    ['0', { num_vms: '0' }],
    ['negative', { num_vms: '-3' }],
    ['fractional', { num_vms: '2.5' }],
    ['textual', { num_vms: 'three' }],
    ['hexadecimal', { num_vms: '0x10' }],
    ['in the notation of floats', { num_vms: '1e1' }],
  ])(
    'a launch whose number of VMs is %s is answered with the page and a message, and creates nothing',
    async (_, form) => {
      const response = await lab.post('/api/launch', form);
      expect(response.status).toBe(200);
      const html = await response.text();
      expect(html).toContain('<h1>Launch</h1>');
      expect(html).toContain('The number of machines must be a whole number greater than 0.');
      expect(lab.provider.calls).toEqual([]);
      expect((await lab.postJson('/api/launch', form)).status).toBe(400);
    },
  );

  test.each(['101', '1001', '99999999999999999999'])(
    'a launch of %s machines is too large, and creates nothing',
    async (numVms) => {
      const response = await lab.post('/api/launch', { num_vms: numVms });
      expect(response.status).toBe(200);
      expect(await response.text()).toMatch(
        /The number of machines (must be at most 100|is too large|must be a whole number)/,
      );
      const asJson = await lab.postJson('/api/launch', { num_vms: numVms });
      expect(asJson.status).toBe(400);
      expect(await asJson.json()).toMatchObject({ errors: [{ field: 'num_vms' }] });
      expect(lab.provider.calls).toEqual([]);
    },
  );

  test('a launch from the page is answered at once with the page that shows the operation', async () => {
    lab.provider.script.holdAfter = 0;
    const response = await lab.post('/api/launch', { num_vms: '2' });
    expect(response.status).toBe(200);
    const html = await response.text();
    const { id } = await lab.newest();
    expect(html).toContain(`/api/v1/operations/${id}/cancel`);
    expect(html).toMatch(/<noscript><meta http-equiv="refresh" content="\d+;url=\/admin\/operations/);
    expect(html.toLowerCase()).not.toContain('terraform');
    await lab.idle();
    const page = await lab.page(`/admin/operations/${id}`);
    expect(page).toContain('The provider starts.');
    expect(page).toContain('2 machines were created.');
    // Its machines have not started yet.
    expect(page).toContain('http-equiv="refresh"');
    await lab.server.db.updateTable('vms').set({ status: 'running' }).execute();
    expect(await lab.page(`/admin/operations/${id}`)).not.toContain('http-equiv="refresh"');
  });

  test('a launch from a program is answered with 202 and the operation', async () => {
    const response = await lab.postJson('/api/launch', { num_vms: '1' });
    expect(response.status).toBe(202);
    const operation = (await response.json()) as Operation;
    expect(response.headers.get('location')).toBe(`/api/v1/operations/${operation.id}`);
    expect(operation).toMatchObject({ kind: 'launch', requested_by: 'admin', num_vms: 1 });
    await lab.idle();
    expect(await lab.get(`/api/v1/operations/${operation.id}`)).toMatchObject({
      status: 'succeeded',
      message: '1 machine was created.',
      progress: { done: 1, failed: 0, total: 1 },
      problem: null,
    });
  });

  test('a launch while another operation runs is answered with that operation', async () => {
    lab.provider.script.holdAfter = 0;
    const first = await lab.launch(3);
    const html = await (await lab.post('/api/launch', { num_vms: '1' })).text();
    expect(html).toMatch(
      /Nothing was launched: another operation is running\. A launch of 3 machines, requested by admin at 20\d\d-/,
    );
    expect(html).toContain(first.id);
    const second = await lab.postJson('/api/launch', { num_vms: '1' });
    expect(second.status).toBe(409);
    expect(second.headers.get('location')).toBe(`/api/v1/operations/${first.id}`);
    expect(await second.json()).toMatchObject({
      code: 'operation_running',
      operation: { id: first.id, num_vms: 3 },
    });
    expect((await lab.postJson('/destroy')).status).toBe(409);
  });

  test('a launch for which the provider is not ready is answered with what is missing', async () => {
    lab.provider.script.readiness = fail({
      code: 'credentials',
      message: 'No credentials.',
      remedy: 'Sign in.',
    });
    const html = await (await lab.post('/api/launch', { num_vms: '1' })).text();
    expect(html).toContain('Nothing was launched. No credentials. Sign in.');
    const asJson = await lab.postJson('/api/launch', { num_vms: '1' });
    expect(asJson.status).toBe(503);
    expect(await asJson.json()).toMatchObject({ code: 'provider_not_ready' });
    expect(await lab.page('/admin/create')).toContain('No credentials. Sign in.');
    lab.provider.script.readiness = succeed();
  });
});

describe('cancelling', () => {
  test('cancelling twice has the same answer, and cancelling a finished operation is 409', async () => {
    lab.provider.script.holdAfter = 0;
    lab.provider.script.stopsOn = 'force';
    const { id } = await lab.launch(2);
    await expect.poll(() => lab.provider.calls, WAIT).toEqual(['launch']);
    const cancel = `/api/v1/operations/${id}/cancel`;
    const first = await lab.postJson(cancel);
    expect(first.status).toBe(200);
    expect((await lab.postJson(cancel)).status).toBe(200);
    await expect.poll(async () => (await lab.newest()).status, WAIT).toBe('cancelled');
    expect(await lab.newest()).toMatchObject({ id, status: 'cancelled', problem: { kind: 'cancelled' } });
    const late = await lab.postJson(cancel);
    expect(late.status).toBe(409);
    expect(await late.json()).toMatchObject({ code: 'operation_finished' });
    const page = await lab.post(cancel);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('This operation has already finished');
    expect((await lab.postJson(`/api/v1/operations/${crypto.randomUUID()}/cancel`)).status).toBe(404);
  });

  test('a cancellation from another site is refused', async () => {
    const response = await fetch(`${lab.server.url}/api/v1/operations/${crypto.randomUUID()}/cancel`, {
      method: 'POST',
      headers: { ...lab.auth, 'sec-fetch-site': 'cross-site' },
    });
    expect(response.status).toBe(403);
  });
});

describe('a destroy', () => {
  test('a destroy from the page needs the name of the deployment', async () => {
    for (const confirm of ['', 'lablink', 'LAB']) {
      const html = await (await lab.post('/destroy', { confirm })).text();
      expect(html).toContain('Nothing was destroyed: to confirm, type lab.');
    }
    expect(lab.provider.calls).toEqual([]);
    expect((await lab.postJson('/destroy', { confirm: 'x' })).status).toBe(400);
    const html = await (await lab.post('/destroy', { confirm: ' lab ' })).text();
    expect(html).toContain('<h1>Destroy all machines</h1>');
    await lab.idle();
    expect(lab.provider.machines.size).toBe(0);
  });

  test('a destroy without machines succeeds, also without a request body', async () => {
    const response = await lab.postJson('/destroy');
    expect(response.status).toBe(202);
    await lab.idle();
    expect(await lab.newest()).toMatchObject({
      status: 'succeeded',
      message: 'There was nothing to destroy.',
    });
    const page = await lab.post('/destroy');
    expect(page.status).toBe(200);
    await lab.idle();
  });

  test('the page of a destroy names the participants', async () => {
    await lab.launch(1);
    await lab.idle();
    await lab.server.client.POST('/api/vm-status', { body: { hostname: 'lab-pc-7', status: 'running' } });
    const html = await lab.page('/admin/instances/delete');
    expect(html).toMatch(
      /Machines to be destroyed[\s\S]*lab-vm-prod-\d[\s\S]*did not launch these machines[\s\S]*lab-pc-7/,
    );
    expect(html).toContain('<code>lab</code>');
  });
});

describe('the list of operations', () => {
  test('the list of operations is paged, newest first', async () => {
    const all = await lab.get<{ items: Operation[] }>('/api/v1/operations');
    expect(all.items.length).toBeGreaterThan(4);
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null;) {
      const from: string = after === '' ? '' : `&after=${after}`;
      const page = await lab.get<{ items: Operation[]; next: string | null }>(
        `/api/v1/operations?limit=2${from}`,
      );
      seen.push(...page.items.map(({ id }) => id));
      after = page.next;
    }
    expect(seen).toEqual(all.items.map(({ id }) => id));
  });

  test('an unknown operation is answered with 404', async () => {
    const unknown = `/api/v1/operations/${crypto.randomUUID()}`;
    const response = await fetch(lab.server.url + unknown, { headers: lab.auth });
    expect(response.status).toBe(404);
    expect((await fetch(`${lab.server.url}/api/v1/operations`)).status).toBe(401);
  });
});

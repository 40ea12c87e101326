// Launching and destroying through /api/v1/operations, and the original API's destroy beside it.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ADMIN } from '../support/server.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { WAIT } from '../support/operations.ts';

let lab: FleetServer;
beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await lab.forget();
  await lab.server.db.deleteFrom('vms').execute();
});

type Body = Parameters<typeof ask>[0];
const ask = (body: { kind: 'launch' | 'destroy'; num_vms?: number; confirm?: string }, key?: string) =>
  lab.server.admin.POST('/api/v1/operations', {
    body,
    params: { header: key === undefined ? {} : { 'Idempotency-Key': key } },
    headers: { Accept: 'application/json' },
  });
const launchThree: Body = { kind: 'launch', num_vms: 3 };

describe('a request with an idempotency key', () => {
  test('a repeated request is answered with the same operation, while it runs and after its end', async () => {
    lab.provider.script.holdAfter = 0;
    const first = await ask(launchThree, 'the first key');
    expect(first.response.status).toBe(400);
    const begun = await ask(launchThree, 'the-first-key');
    expect(begun.response.status).toBe(202);
    const again = await ask(launchThree, 'the-first-key');
    expect(again.response.status).toBe(202);
    expect(again.data).toMatchObject({ id: operationId(begun.data) });
    await lab.idle();
    const later = await ask(launchThree, 'the-first-key');
    expect(later.data).toMatchObject({ id: operationId(begun.data), status: 'succeeded' });
    expect(lab.provider.machines.size).toBe(3);
  });

  test('of ten requests with one key that are sent at once, all get the one operation', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(launchThree, 'ten-at-once')));
    expect(new Set(answers.map(({ response }) => response.status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ data }) => operationId(data))).size).toBe(1);
    await lab.idle();
    expect(lab.provider.machines.size).toBe(3);
  });

  test('a key that was used for another request is refused', async () => {
    await ask(launchThree, 'a-key-of-mine');
    await lab.idle();
    for (const body of [
      { ...launchThree, num_vms: 4 },
      { kind: 'destroy', confirm: 'lab' },
    ] as const) {
      const reused = await ask(body, 'a-key-of-mine');
      expect(reused.response.status).toBe(409);
      expect(reused.error).toMatchObject({ code: 'idempotency_key_reused' });
    }
    expect(lab.provider.machines.size).toBe(3);
  });
});

describe('a destroy', () => {
  test('a destroy needs the name of the deployment', async () => {
    await lab.launch(1);
    await lab.idle();
    for (const [body, code] of [
      [{ kind: 'destroy' }, 'required'],
      [{ kind: 'destroy', confirm: 'prod' }, 'mismatch'],
    ] as const) {
      const refused = await ask(body);
      expect(refused.response.status).toBe(400);
      expect(refused.error).toMatchObject({ errors: [{ field: 'confirm', code }] });
    }
    expect(lab.provider.machines.size).toBe(1);
    expect((await ask({ kind: 'destroy', confirm: 'lab' })).response.status).toBe(202);
    await lab.idle();
    expect(lab.provider.machines.size).toBe(0);
  });

  test('a destroy of the original API needs no name, unless the configuration says so', async () => {
    expect((await lab.postJson('/destroy')).status).toBe(202);
    await lab.idle();
    await using strict = await startFleetServer({ REQUIRE_DESTROY_CONFIRMATION: 'true' });
    await strict.launch(1);
    await strict.idle();
    expect((await strict.postJson('/destroy')).status).toBe(400);
    const page = await strict.post('/destroy');
    expect(await page.text()).toContain('Nothing was destroyed: to confirm, type lab.');
    expect(strict.provider.machines.size).toBe(1);
    expect((await strict.postJson('/destroy', { confirm: 'lab' })).status).toBe(202);
    await strict.idle();
    expect(strict.provider.machines.size).toBe(0);
  });
});

describe('a launch', () => {
  test('a launch needs the number of machines', async () => {
    const refused = await ask({ kind: 'launch' });
    expect(refused.response.status).toBe(400);
    expect(refused.error).toMatchObject({ errors: [{ field: 'num_vms', code: 'required' }] });
    const page = await (await lab.post('/api/v1/operations', { kind: 'launch' })).text();
    expect(page).toContain('Enter the number of machines.');
  });

  test('the page counts the machines that were asked for, and lists them in the order of their numbers', async () => {
    lab.provider.script.holdAfter = 11;
    const started = await lab.post('/api/v1/operations', { kind: 'launch', num_vms: '12' });
    expect(await started.text()).toContain('<h1>Launch</h1>');
    const { id } = await lab.newest();
    await vi.waitFor(async () => {
      const { items } = await lab.get<{ items: unknown[] }>('/api/v1/vms?status=initializing');
      expect(items.length).toBeGreaterThanOrEqual(11);
      expect(await lab.page(`/admin/operations/${id}`)).toContain('11 of 12 machines created.');
    }, WAIT);
    await lab.server.db.updateTable('vms').set({ status: 'running' }).execute();
    const html = await lab.page(`/admin/operations/${id}`);
    expect(html).not.toContain('All 11 machines are ready');
    expect(html).toContain('of 12 machines are ready.');
    const names = [...html.matchAll(/data-hostname="(lab-vm-[^"]+)"/g)].map(([, name]) => name);
    expect(names).toHaveLength(12);
    expect(names).toEqual(names.toSorted((one = '', other = '') => numberOf(one) - numberOf(other)));
    await lab.idle();
    expect(await lab.page(`/admin/operations/${id}`)).not.toContain('launched machine');
  });
});

describe('the token of a machine', () => {
  const register = () => lab.server.admin.POST('/api/v1/vms', { body: { hostname: 'lab-pc-7' } });
  const report = (token: string) =>
    lab.server
      .withToken(token)
      .POST('/api/vm-status', { body: { hostname: 'lab-pc-7', status: 'running' } })
      .then(({ response }) => response.status);

  test('a token can be issued anew; the old one is not accepted any more', async () => {
    const old = (await register()).data?.token ?? '';
    expect(await report(old)).toBe(200);
    const { data } = await lab.server.admin.POST('/api/v1/vms/{hostname}/token', {
      params: { path: { hostname: 'lab-pc-7' } },
      headers: { Accept: 'application/json' },
    });
    const issued = typeof data === 'object' ? data.token : '';
    expect([await report(old), await report(issued)]).toEqual([401, 200]);
    const { data: timeline } = await lab.server.admin.GET('/api/v1/vms/{hostname}/timeline', {
      params: { path: { hostname: 'lab-pc-7' } },
    });
    expect(timeline?.items).toContainEqual(
      expect.objectContaining({ text: 'New token issued.', who: ADMIN.user }),
    );
  });

  test('the page of the machine issues a token, shows it once, and works without JavaScript', async () => {
    await register();
    expect(await lab.page('/admin/vms/lab-pc-7')).toContain('action="/api/v1/vms/lab-pc-7/token"');
    const html = await (await lab.post('/api/v1/vms/lab-pc-7/token')).text();
    const [, token = ''] = /<p><code>([^<]+)<\/code><\/p>/.exec(html) ?? [];
    expect(await report(token)).toBe(200);
    expect(await lab.page('/admin/vms/lab-pc-7')).not.toContain(token);
  });

  test('an external machine that was removed from the list can be registered again at once', async () => {
    await register();
    expect((await register()).response.status).toBe(409);
    await lab.postJson('/api/v1/vms/lab-pc-7/destroy');
    await lab.idle();
    expect((await register()).response.status).toBe(201);
    expect(await lab.page('/admin/instances/delete')).toContain('<h1>Remove all machines from the list</h1>');
  });
});

const numberOf = (hostname: string): number => Number(hostname.split('-').at(-1));

function operationId(operation: unknown): unknown {
  return typeof operation === 'object' && operation !== null && 'id' in operation ? operation.id : null;
}

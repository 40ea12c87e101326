// End times, costs, the destruction of one machine, and orphans, over HTTP.
import { expect, test } from 'vitest';
import { fail } from '../../src/result.ts';
import type { components } from '../../src/contract/openapi.gen.ts';
import { startFleetServer, type FleetServer, type Operation } from '../support/fleet-server.ts';

type Fleet = components['schemas']['Fleet'];
type Orphans = components['schemas']['Orphans'];

const HOUR_MS = 3_600_000;
const hoursUntil = (timestamp: string | null | undefined): number =>
  timestamp ? (Date.parse(timestamp) - Date.now()) / HOUR_MS : Number.NaN;

async function remove({ server, auth }: FleetServer, hostname: string): Promise<Response> {
  return fetch(`${server.url}/api/v1/vms/${hostname}`, { method: 'DELETE', headers: auth });
}

test('a launch with hours has an end time, which the API and the page show and which can be extended', async () => {
  await using lab = await startFleetServer();
  const launched = await lab.postJson('/api/launch', { num_vms: '2', hours: '3' });
  expect(launched.status).toBe(202);
  expect(hoursUntil(((await launched.json()) as Operation).shutdown_at)).toBeCloseTo(3, 1);
  await lab.idle();
  const fleet = await lab.get<Fleet>('/api/v1/fleet');
  expect(fleet).toMatchObject({
    provider: 'local',
    costs_money: false,
    total: 2,
    cost: { usd: 0, unpriced_vms: 0 },
  });
  expect(fleet.launches).toMatchObject([{ total: 2, existing: 2, requested_by: 'admin' }]);
  expect(hoursUntil(fleet.shutdown_at)).toBeCloseTo(3, 1);
  expect(await lab.page('/admin')).toMatch(/<span>First shutdown: in 3\sh/);
  const moved = await lab.postJson('/api/v1/fleet/reschedule-shutdown', { hours: '10' });
  expect(moved.status).toBe(200);
  expect(hoursUntil(((await moved.json()) as Fleet).shutdown_at)).toBeCloseTo(10, 1);
  expect(await (await lab.post('/api/v1/fleet/reschedule-shutdown', { hours: '4' })).text()).toContain(
    'The machines will shut down 4 hours from now.',
  );
});

test.each(['0', '73', 'many'])(
  'a launch with %s hours is refused with a page for browsers and a problem for programs',
  async (hours) => {
    await using lab = await startFleetServer();
    const page = await lab.post('/api/launch', { num_vms: '1', hours });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('The hours must be a whole number from 1 to 72.');
    expect((await lab.postJson('/api/launch', { num_vms: '1', hours })).status).toBe(400);
    expect((await lab.postJson('/api/v1/fleet/reschedule-shutdown', { hours })).status).toBe(400);
    expect(lab.provider.calls).not.toContain('launch');
  },
);

test('an empty hours field uses the default of the server', async () => {
  await using lab = await startFleetServer();
  const launched = await lab.postJson('/api/launch', { num_vms: '1', hours: '' });
  expect(((await launched.json()) as Operation).shutdown_at).toBeNull();
});

test('one machine can be destroyed by its path, and stays in the list of its launch', async () => {
  await using lab = await startFleetServer();
  await lab.launch(2);
  await lab.idle();
  const answer = await remove(lab, 'lab-vm-prod-1');
  expect(answer.status).toBe(202);
  const operation = (await answer.json()) as Operation;
  expect(operation).toMatchObject({ kind: 'destroy', hostnames: ['lab-vm-prod-1'] });
  expect(answer.headers.get('location')).toBe(`/api/v1/operations/${operation.id}`);
  await lab.idle();
  expect((await remove(lab, 'lab-vm-prod-1')).status).toBe(404);
  const fleet = await lab.get<Fleet>('/api/v1/fleet');
  expect(fleet.launches).toMatchObject([{ total: 2, existing: 1 }]);
});

test('a launch that the checks refuse is answered before anything is created', async () => {
  await using lab = await startFleetServer();
  lab.provider.script.preflight = fail({
    code: 'quota',
    message: 'The quota is too small.',
    remedy: 'Ask for more.',
  });
  const page = await lab.post('/api/launch', { num_vms: '1' });
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('Nothing was launched. The quota is too small. Ask for more.');
  const answer = await lab.postJson('/api/launch', { num_vms: '1' });
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 'provider_not_ready' });
  expect(await lab.get('/api/v1/operations')).toMatchObject({ items: [] });
});

test('orphans are listed and terminated, and a second click is answered with 404', async () => {
  await using lab = await startFleetServer();
  lab.provider.machines.set('x', { hostname: 'lab-vm-prod-5', operationId: null });
  const { items } = await lab.get<Orphans>('/api/v1/orphans?refresh=true');
  expect(items).toMatchObject([{ id: 'lab-vm-prod-5', kind: 'vm', adoptable: true }]);
  const adopted = await lab.postJson('/api/v1/orphans/lab-vm-prod-5/adopt');
  expect(adopted.status).toBe(200);
  expect(((await adopted.json()) as { message: string }).message).toContain('was added to the list');
  expect((await lab.postJson('/api/v1/orphans/lab-vm-prod-5/adopt')).status).toBe(404);
  expect(await lab.get<Orphans>('/api/v1/orphans')).toMatchObject({ items: [], error: null });
});

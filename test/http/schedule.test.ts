// The schedule as a browser sends it, from a tab that does not know what has happened since.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';

let lab: FleetServer;
beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());

test('a click that comes too late leads back to the schedule, which says so; programs get 409', async () => {
  const { server } = lab;
  const plan = { kind: 'destroy', time: '2099-03-01T18:00', zone: 'UTC' } as const;
  const { data } = await server.admin.POST('/api/v1/schedule', { body: plan });
  const send = (action: string, accept = 'text/html') =>
    fetch(`${server.url}/api/v1/schedule/${data?.id ?? ''}${action}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...lab.auth, accept },
      ...(action === '' && { body: new URLSearchParams(plan) }),
    });
  const placeOf = async (action: string) => (await send(action)).headers.get('location');
  expect(await placeOf('/cancel')).toBe('/admin/schedule?done=cancelled');
  for (const action of ['/run', '/skip', '']) expect(await placeOf(action)).toBe('/admin/schedule?done=late');
  expect((await send('/run', 'application/json')).status).toBe(409);
  expect(await lab.page('/admin/schedule?done=late')).toContain(
    'Nothing was changed: the entry runs already',
  );
});

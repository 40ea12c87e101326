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

test('a field of the other kind is refused at its field, in JSON and in the form, which keeps what was typed', async () => {
  const { server } = lab;
  const at = { time: '2099-03-01T18:00', zone: 'UTC' } as const;
  const launch = { kind: 'launch', ...at, num_vms: 2 } as const;
  const { data: planned } = await server.admin.POST('/api/v1/schedule', { body: launch });
  const path = { id: planned?.id ?? '' };
  for (const body of [
    { ...launch, download: true },
    { kind: 'destroy', ...at, num_vms: 2 },
    { kind: 'destroy', ...at, hours: 2 },
  ] as const) {
    const field = 'download' in body ? 'download' : 'num_vms' in body ? 'num_vms' : 'hours';
    const wrong = { code: 'invalid_request', errors: [{ field, code: 'unexpected' }] };
    const headers = { Accept: 'application/json' };
    expect((await server.admin.POST('/api/v1/schedule', { body, headers })).error).toMatchObject(wrong);
    const changed = await server.admin.POST('/api/v1/schedule/{id}', { body, headers, params: { path } });
    expect(changed.error).toMatchObject(wrong);
  }
  const refused = await lab.post('/api/v1/schedule', { kind: 'destroy', ...at, num_vms: '7' });
  expect(refused.status).toBe(400);
  const page = await refused.text();
  expect(page).toMatch(
    /id="num-vms-error">The number of machines belongs to a launch; leave it out for a destroy\./,
  );
  expect(page).toMatch(/name="num_vms"[^>]* value="7"/);
  expect(page).toMatch(/value="destroy" checked/);
});

test('the box of the form, which is ticked from the start, is sent with a launch too and says nothing about it', async () => {
  const at = { time: '2099-03-01T18:00', zone: 'UTC' };
  const before = (await lab.server.admin.GET('/api/v1/schedule')).data?.items ?? [];
  const planned = await lab.post('/api/v1/schedule', {
    kind: 'launch',
    ...at,
    num_vms: '2',
    download: 'true',
  });
  expect(planned.status).toBe(200);
  const after = (await lab.server.admin.GET('/api/v1/schedule')).data?.items ?? [];
  expect(after.length).toBe(before.length + 1);
  // A launch has said nothing about a download: the form that changes it begins as an empty one does.
  for (const { id } of after.filter(({ kind, download }) => kind === 'launch' && !download))
    expect(await lab.page(`/admin/schedule?change=${id}`)).toMatch(/name="download"[^>]* checked/);
  const late = { kind: 'launch', time: '2020-01-01T08:00', zone: 'UTC', num_vms: '2' };
  expect(await (await lab.post('/api/v1/schedule', late)).text()).toMatch(/name="download"[^>]* checked/);
});

test('a link to change an entry that is unknown leads to a page that says so, as links to other unknown things do', async () => {
  const ask = (path: string) =>
    fetch(lab.server.url + path, { headers: { ...lab.auth, accept: 'text/html' } });
  const unknown = '00000000-0000-4000-8000-000000000000';
  for (const path of [`/admin/schedule?change=${unknown}`, `/admin/operations/${unknown}`]) {
    const answer = await ask(path);
    expect(answer.status, path).toBe(404);
    const html = await answer.text();
    expect(html, path).toContain('There is no such');
    expect(html, path).not.toContain('id="plan"');
  }
});

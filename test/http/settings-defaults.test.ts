// Going back to the defaults of saved settings, over HTTP.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { emptyTables } from '../support/empty-tables.ts';
import { adminHeaders } from '../support/raw-http.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ WORKSHOP_TITLE: 'From the environment' });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => emptyTables(server.db));

type Change = Parameters<TestServer['admin']['PATCH']>[1] extends { body: infer Body } ? Body : never;
const change = (body: Change) => server.admin.PATCH('/api/v1/settings', { body });

const reset = (body: Record<string, string>, accept: string) =>
  fetch(`${server.url}/api/v1/settings/reset`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...adminHeaders, Accept: accept },
    body: new URLSearchParams(body),
  });

test('a setting that was saved goes back to what the environment says, alone and audited', async () => {
  await change({ title: 'Saved', contact: 'me@example.org' });
  const { data: saved } = await server.admin.GET('/api/v1/settings');
  expect(saved?.saved).toEqual(['title', 'contact']);
  expect(saved?.defaults.title).toBe('From the environment');
  const page = await (await fetch(`${server.url}/admin/settings`, { headers: adminHeaders })).text();
  expect(page).toContain('Default: From the environment');
  const done = await reset({ settings: 'title' }, 'text/html');
  expect([done.status, done.headers.get('location')]).toEqual([303, '/admin/settings?done=defaults']);
  expect((await server.admin.GET('/api/v1/settings')).data).toMatchObject({
    title: 'From the environment',
    contact: 'me@example.org',
    saved: ['contact'],
  });
  expect(await (await fetch(server.url)).text()).toContain('From the environment');
  const audit = await server.db.selectFrom('audit_events').select('detail').orderBy('id').execute();
  expect(audit.at(-1)?.detail).toBe('title was “Saved”, is the default again: “From the environment”');
  // A second click finds nothing to do.
  expect((await reset({ settings: 'title' }, 'application/json')).status).toBe(200);
  expect(await server.db.selectFrom('audit_events').select('id').execute()).toHaveLength(2);
});

test('where a workshop was closed before its opening, other settings can go back to their defaults', async () => {
  await change({ title: 'Saved', opens_at: '2099-01-31T09:00:00Z' });
  const close = new URLSearchParams({ action: 'close' });
  await fetch(`${server.url}/api/v1/settings`, { method: 'POST', headers: adminHeaders, body: close });
  expect((await reset({ settings: 'title' }, 'application/json')).status).toBe(200);
});

test('a setting that does not exist, and the workshop code, cannot be reset', async () => {
  await change({ join: 'code' });
  for (const settings of ['code', 'nothing'])
    expect((await reset({ settings }, 'application/json')).status).toBe(400);
  expect((await server.admin.GET('/api/v1/settings')).data?.code).toMatch(/^[A-Z0-9]{8}$/);
});

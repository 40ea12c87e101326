// The settings of a workshop, and who gets a machine under them, over HTTP.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { emptyTables } from '../support/empty-tables.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const CRD = 'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --name=$(hostname)';
const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ WORKSHOP_TITLE: 'From the environment' });
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => emptyTables(server.db));

type Change = Parameters<TestServer['admin']['PATCH']>[1] extends { body: infer Body } ? Body : never;
const change = (body: Change) => server.admin.PATCH('/api/v1/settings', { body });

async function ask(email: string, accept: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}/api/request_vm`, {
    method: 'POST',
    headers: { Accept: accept },
    body: new URLSearchParams({ email, crd_command: CRD }),
  });
  return { status: response.status, text: await response.text() };
}

describe('settings', () => {
  test('a change is valid at once on every page, is audited, and wins over the environment', async () => {
    const { data: first } = await server.admin.GET('/api/v1/settings');
    expect(first).toMatchObject({ title: 'From the environment', join: 'open', state: 'open' });
    const { data: changed } = await change({ title: ' Tracking ', contact: 'me@example.org' });
    expect(changed).toMatchObject({ title: 'Tracking', contact: 'me@example.org' });
    for (const path of ['/', '/check'])
      expect(await (await fetch(server.url + path)).text()).toContain('Tracking');
    await change({ title: 'Tracking' });
    const audit = await server.db.selectFrom('audit_events').select(['who', 'what', 'detail']).execute();
    expect(audit).toEqual([{ who: 'admin', what: 'settings', detail: 'title, contact' }]);
  });

  test('a wrong setting is refused with its field, and nothing is changed', async () => {
    const wrong = [
      [{ opens_at: 'tomorrow' }, 'opens_at'],
      [{ title: 'two\nlines' }, 'title'],
      [{ opens_at: inHours(2), closes_at: inHours(1) }, 'closes_at'],
    ] as const;
    for (const [body, field] of wrong) {
      const { error, response } = await change({ contact: 'x', ...body });
      expect(response.status).toBe(400);
      expect(error?.errors?.map((each) => each.field)).toEqual([field]);
    }
    expect(await server.db.selectFrom('settings').select('key').execute()).toEqual([]);
  });
});

describe('before the opening and after the closing', () => {
  test.each([
    ['workshop_scheduled', 'scheduled', () => ({ opens_at: inHours(1) })],
    ['workshop_closed', 'closed', () => ({ closes_at: inHours(-1) })],
  ] as const)('%s: nobody gets a machine, and whoever has one comes back', async (code, state, times) => {
    await insertFreeVms(server.db, vmNames(2));
    const mine = await ask('ada@example.org', 'application/json');
    expect(mine.status).toBe(200);
    await change(times());
    const program = await ask('grace@example.org', 'application/json');
    expect(program.status).toBe(409);
    expect(JSON.parse(program.text)).toMatchObject({ code });
    const form = await ask('grace@example.org', 'text/html');
    expect(form.status).toBe(200);
    expect(form.text).toContain(`data-state="${state}"`);
    expect(form.text).not.toContain('action="/api/request_vm"');
    // From another browser, which needs the PIN.
    const again = await ask('ada@example.org', 'application/json');
    expect(JSON.parse(again.text)).toMatchObject({ code: 'pin_required' });
    // An answer may be a second old.
    await expect
      .poll(async () => (await server.client.GET('/api/v1/lab')).data?.state, { timeout: 5_000 })
      .toBe(state);
    await change({ opens_at: null, closes_at: null });
    expect((await ask('grace@example.org', 'application/json')).status).toBe(200);
  });
});

// The settings of a workshop, and who gets a machine under them, over HTTP.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { emptyTables } from '../support/empty-tables.ts';
import { adminHeaders } from '../support/raw-http.ts';
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

describe('the settings page', () => {
  const save = (fields: Readonly<Record<string, string>>) =>
    fetch(`${server.url}/api/v1/settings`, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...adminHeaders, Accept: 'text/html' },
      body: new URLSearchParams(fields),
    });

  test('saves without JavaScript, where times are in UTC, and says so', async () => {
    const saved = await save({ title: 'Tracking', opens_at: '2027-03-01T08:00', contact: '', join: 'code' });
    expect(saved.status).toBe(303);
    const { data } = await server.admin.GET('/api/v1/settings');
    expect(data).toMatchObject({ title: 'Tracking', opens_at: '2027-03-01T08:00:00.000Z', contact: null });
    expect(data?.address).toBe(`${server.url}/?code=${data?.code}`);
    const page = await fetch(`${server.url}${saved.headers.get('location') ?? ''}`, {
      headers: adminHeaders,
    });
    expect(await page.text()).toContain('The settings were saved.');
  });

  test('shows what is wrong at its field, with what was typed, and saves nothing', async () => {
    const refused = await save({
      title: 'x'.repeat(121),
      opens_at: '2027-03-01T08:00',
      closes_at: '2027-03-01T07:00',
    });
    expect(refused.status).toBe(400);
    const html = await refused.text();
    expect(html).toContain('The title must have at most 120 characters.');
    expect(html).toContain('x'.repeat(121));
    const times = await save({ opens_at: '2027-03-01T08:00', closes_at: '2027-03-01T07:00' });
    expect(await times.text()).toContain('The closing time must be after the opening time.');
    expect(await server.db.selectFrom('settings').select('key').execute()).toEqual([]);
  });

  test('closes and opens now, and saving the form again does not move the closing time', async () => {
    await save({ action: 'close' });
    const { data: closed } = await server.admin.GET('/api/v1/settings');
    expect(closed?.state).toBe('closed');
    await save({ title: 'Over', closes_at: closed?.closes_at?.slice(0, 16) ?? '' });
    expect((await server.admin.GET('/api/v1/settings')).data?.closes_at).toBe(closed?.closes_at);
    await save({ action: 'open' });
    expect((await server.admin.GET('/api/v1/settings')).data).toMatchObject({
      state: 'open',
      closes_at: null,
    });
  });
});

describe('the workshop code', () => {
  const withCode = (email: string, code: string | null, cookie = '') =>
    fetch(`${server.url}/api/request_vm`, {
      method: 'POST',
      headers: { Accept: 'application/json', Cookie: cookie },
      body: new URLSearchParams({ email, crd_command: CRD, ...(code !== null && { code }) }),
    });
  const codeOf = async (response: Response): Promise<unknown> =>
    z.object({ code: z.string() }).parse(await response.json()).code;
  const free = async () => (await server.client.GET('/api/unassigned_vms_count')).data?.count;

  test('without it a script of 500 people gets no machine, and with it everybody is served', async () => {
    await insertFreeVms(server.db, vmNames(3));
    const { data } = await change({ join: 'code' });
    const code = data?.code ?? '';
    expect(code).toMatch(/^[ACDEFGHJKMNPQRTUWXY34679]{8}$/);
    const asked = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        withCode(`script${index}@example.org`, index % 2 ? 'AAAAAAAA' : null),
      ),
    );
    expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([403]));
    expect(await free()).toBe(3);
    const typed = `${code.slice(0, 4).toLowerCase()} - ${code.slice(4)}`;
    expect((await withCode('ada@example.org', typed)).status).toBe(200);
    expect(await free()).toBe(2);
  });

  test('a new one leaves everybody their machine, and the old one is not valid any more', async () => {
    await insertFreeVms(server.db, vmNames(3));
    const { data: old } = await change({ join: 'code' });
    const mine = await withCode('ada@example.org', old?.code ?? '');
    const cookie = mine.headers.get('set-cookie')?.split(';')[0] ?? '';
    const { data: rotated } = await server.admin.POST('/api/v1/settings/rotate-code');
    expect(rotated?.code).not.toBe(old?.code);
    expect(await codeOf(await withCode('grace@example.org', old?.code ?? ''))).toBe('code_wrong');
    const again = await withCode('ada@example.org', null, cookie);
    expect(await again.json()).toMatchObject({ returning: true });
  });

  test('one browser that tries codes out has to wait, and the others do not', async () => {
    await insertFreeVms(server.db, vmNames(3));
    const { data } = await change({ join: 'code' });
    const first = await withCode('ada@example.org', 'AAAAAAAA');
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    const tries = [];
    for (let tried = 0; tried < 9; tried += 1)
      tries.push((await withCode('ada@example.org', 'AAAAAAAA', cookie)).status);
    expect(tries.filter((status) => status === 403)).toHaveLength(9);
    const refused = await withCode('ada@example.org', data?.code ?? '', cookie);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([
      429,
      expect.stringMatching(/^\d+$/),
    ]);
    expect((await withCode('ada@example.org', data?.code ?? '')).status).toBe(200);
  });

  test('wrong codes that other allocators saw count too, and a new code begins anew', async () => {
    await insertFreeVms(server.db, vmNames(3));
    const { data } = await change({ join: 'code' });
    const code = data?.code ?? '';
    expect(await codeOf(await withCode('ada@example.org', 'AAAAAAAA'))).toBe('code_wrong');
    const counted = await server.db.selectFrom('wrong_codes').select(['code', 'times']).execute();
    expect(counted).toEqual([{ code, times: 1 }]);
    await server.db.updateTable('wrong_codes').set({ times: 3_000 }).execute();
    // What was counted is read again after a second.
    await expect
      .poll(async () => (await withCode('eve@example.org', 'AAAAAAAA')).status, {
        timeout: 5_000,
        interval: 100,
      })
      .toBe(429);
    // Also the right one is not looked at, and what is not looked at is not counted.
    const times = () => server.db.selectFrom('wrong_codes').select('times').execute();
    const before = await times();
    expect(await codeOf(await withCode('ada@example.org', code))).toBe('too_many_code_attempts');
    expect(await times()).toEqual(before);
    const { data: rotated } = await server.admin.POST('/api/v1/settings/rotate-code');
    expect((await withCode('bob@example.org', rotated?.code ?? '')).status).toBe(200);
  });

  test('the link carries it into the form', async () => {
    const { data } = await change({ join: 'code' });
    const html = await (await fetch(data?.address ?? '')).text();
    expect(html).toContain(
      `name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="64" value="${data?.code}"`,
    );
  });
});

describe('the roster', () => {
  const json = { Accept: 'application/json' };

  test('is uploaded, shown before it is taken, and then only those on it get a machine', async () => {
    await insertFreeVms(server.db, vmNames(3));
    await change({ join: 'roster' });
    const { data: preview } = await server.admin.POST('/api/v1/roster/uploads', {
      body: { csv: 'email;name\nada@example.org;Ada Lovelace\nADA@example.org;again' },
      headers: json,
    });
    expect(preview).toMatchObject({
      added: [{ email: 'ada@example.org' }],
      gone: [],
      doubtful: [{ row: 3 }],
    });
    expect((await ask('ada@example.org', 'application/json')).status).toBe(403);
    const path = { id: z.object({ id: z.string() }).parse(preview).id };
    const taken = await server.admin.POST('/api/v1/roster/uploads/{id}/take', {
      params: { path },
      headers: json,
    });
    expect(taken.data?.items).toMatchObject([{ email: 'ada@example.org', name: 'Ada Lovelace' }]);
    const again = await server.admin.POST('/api/v1/roster/uploads/{id}/take', {
      params: { path },
      headers: json,
    });
    expect(again.response.status).toBe(404);
    const strangers = await Promise.all(
      Array.from({ length: 500 }, (_, index) => ask(`script${index}@example.org`, 'application/json')),
    );
    expect(new Set(strangers.map(({ status }) => status))).toEqual(new Set([403]));
    expect((await ask('Ada@Example.org', 'application/json')).status).toBe(200);
    expect((await server.client.GET('/api/unassigned_vms_count')).data?.count).toBe(2);
  });

  test('who is not on it is told whom to ask, and is allowed with one click', async () => {
    await insertFreeVms(server.db, vmNames(1));
    await change({ join: 'roster', contact: 'desk@example.org' });
    const refused = await ask('grace@example.org', 'text/html');
    expect(refused.text).toContain('not on the list of participants');
    expect(refused.text).toContain('desk@example.org');
    await ask('grace@example.org', 'text/html');
    const { data } = await server.admin.GET('/api/v1/roster');
    expect(data?.requests).toMatchObject([{ email: 'grace@example.org', times: 2 }]);
    const html = await (await fetch(`${server.url}/admin/roster`, { headers: adminHeaders })).text();
    expect(html).toContain('name="email" value="grace@example.org"');
    const body = new URLSearchParams({ email: 'grace@example.org' });
    const allowed = await fetch(`${server.url}/api/v1/roster/allow`, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...adminHeaders, Accept: 'text/html' },
      body,
    });
    expect(allowed.status).toBe(303);
    expect((await server.admin.GET('/api/v1/roster')).data?.requests).toEqual([]);
    expect((await ask('grace@example.org', 'application/json')).status).toBe(200);
  });
});

// The waiting list over HTTP: the form, programs, other browsers, and the admin.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { emptyTables } from '../support/empty-tables.ts';
import { adminHeaders } from '../support/raw-http.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const CRD = 'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --name=$(hostname)';
const POLLING = { timeout: 5_000, interval: 50 };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => emptyTables(server.db));

type Answer = { readonly status: number; readonly text: string; readonly location: string | null };

/** A browser: keeps its cookie, follows nothing. */
function openBrowser() {
  let cookie = '';
  async function send(path: string, init: RequestInit & { readonly accept?: string } = {}): Promise<Answer> {
    const { accept = 'text/html', ...rest } = init;
    const response = await fetch(server.url + path, {
      redirect: 'manual',
      ...rest,
      headers: { Accept: accept, ...(cookie !== '' && { Cookie: cookie }) },
    });
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) cookie = set.split(';', 1)[0] ?? '';
    return {
      status: response.status,
      text: await response.text(),
      location: response.headers.get('Location'),
    };
  }
  const post = (path: string, fields: Record<string, string>, accept?: string) =>
    send(path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      ...(accept !== undefined && { accept }),
    });
  return {
    get: send,
    post,
    ask: (email: string, more: Record<string, string> = {}, accept?: string) =>
      post('/api/request_vm', { email, crd_command: CRD, ...more }, accept),
    join: (email: string, more: Record<string, string> = {}) =>
      post('/api/v1/waiting-list', { email, ...more }, 'application/json'),
  };
}
const place = async (email: string) => {
  const row = await server.db
    .selectFrom('waiting_list')
    .selectAll()
    .where('email', '=', email)
    .executeTakeFirst();
  if (!row) throw new Error(`${email} is not on the list`);
  return row;
};
const reservedFor = async (email: string) => (await place(email)).reserved_vm;

describe('one browser', () => {
  test('takes ten places at most, keeps them, and others still join', async () => {
    const one = openBrowser();
    await one.get('/');
    for (let person = 1; person <= 10; person += 1)
      expect((await one.join(`person${person}@example.org`)).status).toBe(200);
    const refused = await one.join('person11@example.org');
    expect([refused.status, refused.text]).toEqual([
      409,
      expect.stringContaining('too_many_places') as string,
    ]);
    expect((await one.ask('person12@example.org')).text).toContain(
      'as many places on the waiting list as it may have',
    );
    // A reload, and another browser.
    expect((await one.join('person3@example.org')).status).toBe(200);
    expect((await openBrowser().join('person11@example.org')).status).toBe(200);
    const { rows } = await sql<{ count: number }>`select count(*)::int from waiting_list`.execute(server.db);
    expect(rows[0]?.count).toBe(11);
  });

  test('takes no more than ten places by many requests at once', async () => {
    const one = openBrowser();
    await one.get('/');
    const joined = await Promise.all(
      Array.from({ length: 30 }, (_, index) => one.join(`at-once${index}@example.org`)),
    );
    expect(joined.filter(({ status }) => status === 200)).toHaveLength(10);
  });
});

describe('a participant for whom no VM is free', () => {
  test('submits the form, is told the place, and gets the VM that becomes free with a new command', async () => {
    const ada = openBrowser();
    await insertFreeVms(server.db, ['a']);
    await giveVm(server.db, 'first@example.org');
    await openBrowser().ask('before@example.org');
    const waiting = await ada.ask('ada@example.org');
    expect(waiting.status).toBe(200);
    expect(waiting.text).toContain('1 person before you.');
    expect(waiting.text).toContain('<meta http-equiv="refresh" content="20;url=/">');
    expect(waiting.text).not.toContain('role="alert"');
    expect((await ada.get('/')).text).toContain('1 person before you.');
    await server.db.deleteFrom('assignments').execute();
    await expect.poll(() => reservedFor('before@example.org'), POLLING).toBe('a');
    // Nobody else gets it, and a program is answered as ever.
    expect((await openBrowser().ask('late@example.org', {}, 'application/json')).status).toBe(409);
    await insertFreeVms(server.db, ['b']);
    await expect.poll(() => reservedFor('ada@example.org'), POLLING).toBe('b');
    const turn = await ada.get('/');
    expect(turn.text).toContain('<title>Your turn: ');
    expect(turn.text).toContain('A machine is reserved for you.');
    const given = await ada.ask('ada@example.org');
    expect(given.text).toContain('data-fact="hostname"');
    expect(given.text).toContain('>b<');
    expect((await ada.get('/')).text).toContain('You already have a machine');
  });

  test('gets a free VM at once where everybody before them is asleep, with the command of the form', async () => {
    await openBrowser().ask('asleep@example.org');
    await sql`update waiting_presence set present_at = now() - interval '1 hour'`.execute(server.db);
    await insertFreeVms(server.db, ['a']);
    const given = await openBrowser().ask('ada@example.org');
    expect(given.text).toContain('data-fact="hostname"');
    expect((await place('asleep@example.org')).left_at).toBeNull();
  });

  test('leaves the list with a button, and joins again at the end after having missed two VMs', async () => {
    const ada = openBrowser();
    await ada.ask('ada@example.org');
    const { id } = await place('ada@example.org');
    await sql`update waiting_list set left_at = now(), left_reason = 'missed'`.execute(server.db);
    const left = await ada.get('/');
    expect(left.text).toContain('Join the waiting list again');
    expect(await ada.post('/api/v1/waiting-list', { email: 'ada@example.org' })).toMatchObject({
      status: 303,
      location: '/',
    });
    expect((await ada.get('/')).text).toContain('You are next.');
    expect(await openBrowser().post(`/api/v1/waiting-list/${id}/leave`, {})).toMatchObject({ status: 401 });
    for (const click of ['first', 'second'])
      expect(await ada.post(`/api/v1/waiting-list/${id}/leave`, {}), click).toMatchObject({
        status: 303,
        location: '/',
      });
    expect((await ada.get('/')).text).toContain('action="/api/request_vm"');
  });
});

describe('another browser', () => {
  test('opens the place with the code only; wrong ones are slowed for the network that enters them', async () => {
    await openBrowser().ask('ada@example.org');
    const { code } = await place('ada@example.org');
    const wrong = code === '000000' ? '000001' : '000000';
    const phone = openBrowser();
    expect((await phone.ask('ada@example.org')).text).toContain('Code of your place');
    expect((await phone.ask('ada@example.org', { pin: wrong })).text).toContain('Wrong code.');
    expect(await phone.post('/api/v1/return', { email: 'ada@example.org', pin: code })).toMatchObject({
      status: 303,
      location: '/',
    });
    expect((await phone.get('/')).text).toContain('You are next.');
    const stranger = openBrowser();
    for (let count = 0; count < 4; count++) await stranger.join('ada@example.org', { pin: wrong });
    expect(await stranger.join('ada@example.org', { pin: code })).toMatchObject({ status: 429 });
    expect((await phone.get('/')).text).toContain('You are next.');
  });
});

describe('a program', () => {
  test('joins, reads its place, and requests the VM that is reserved', async () => {
    const program = openBrowser();
    expect((await program.ask('joan@example.org', {}, 'application/json')).text).toContain('"none_free"');
    expect(await server.db.selectFrom('waiting_list').selectAll().execute()).toEqual([]);
    const joined = await program.join('joan@example.org');
    const { id, code } = JSON.parse(joined.text) as { id: string; code: string };
    expect(JSON.parse(joined.text)).toMatchObject({ state: 'waiting', ahead: 0, estimate_minutes: null });
    expect(JSON.parse((await program.join(' JOAN@example.org ')).text)).toMatchObject({ id });
    expect((await openBrowser().join('joan@example.org')).text).toContain('"place_code_required"');
    expect(
      await openBrowser().get(`/api/v1/waiting-list/${id}`, { accept: 'application/json' }),
    ).toMatchObject({ status: 401 });
    await insertFreeVms(server.db, ['a']);
    const read = async () =>
      JSON.parse((await program.get(`/api/v1/waiting-list/${id}`, { accept: 'application/json' })).text) as {
        state: string;
      };
    await expect.poll(async () => (await read()).state, POLLING).toBe('reserved');
    // It has lost its cookie, and knows the code.
    const given = await openBrowser().ask('joan@example.org', { pin: code }, 'application/json');
    expect(JSON.parse(given.text)).toMatchObject({ hostname: 'a' });
    expect((await program.get(`/api/v1/waiting-list/${id}`, { accept: 'application/json' })).status).toBe(
      404,
    );
  });
});

describe('the workshop', () => {
  test('closes: nobody joins, and no machine stays or becomes reserved', async () => {
    await openBrowser().ask('ada@example.org');
    await insertFreeVms(server.db, ['a']);
    await expect.poll(() => reservedFor('ada@example.org'), POLLING).toBe('a');
    await server.admin.PATCH('/api/v1/settings', {
      body: { closes_at: new Date(Date.now() - 1_000).toISOString() },
    });
    await expect.poll(() => reservedFor('ada@example.org'), POLLING).toBeNull();
    expect((await openBrowser().join('late@example.org')).text).toContain('"workshop_closed"');
    await server.admin.PATCH('/api/v1/settings', { body: { closes_at: null } });
    await expect.poll(() => reservedFor('ada@example.org'), POLLING).toBe('a');
  });
});

describe('an admin', () => {
  test('sees who waits and how many machines are missing, and calls, moves and removes', async () => {
    for (const name of ['ada', 'bob', 'eve']) await openBrowser().ask(`${name}@example.org`);
    const { admin } = server;
    const read = async () => (await admin.GET('/api/v1/waiting-list')).data;
    expect(await read()).toMatchObject({
      waiting: 3,
      missing: 3,
      items: [
        { email: 'ada@example.org', is_present: true },
        { email: 'bob@example.org' },
        { email: 'eve@example.org' },
      ],
    });
    expect((await admin.GET('/api/v1/overview')).data).toMatchObject({ waiting: 3, missing: 3, reserved: 0 });
    const { id } = await place('eve@example.org');
    const params = { path: { id } };
    const moved = await admin.POST('/api/v1/waiting-list/{id}/move', {
      params,
      body: { to: 'first' },
      bodySerializer: (body) => new URLSearchParams(body),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    expect(moved.data?.items.map(({ email }) => email)[0]).toBe('eve@example.org');
    const called = await admin.POST('/api/v1/waiting-list/{id}/call', {
      params: { path: { id: (await place('bob@example.org')).id } },
    });
    expect(called.data?.items[0]).toMatchObject({ email: 'bob@example.org', is_called: true });
    await admin.POST('/api/v1/waiting-list/{id}/remove', { params });
    expect((await read())?.items.map(({ email }) => email)).toEqual(['bob@example.org', 'ada@example.org']);
    expect((await admin.POST('/api/v1/waiting-list/{id}/remove', { params })).response.status).toBe(404);
    // A second click shows the list as it is now.
    const headers = { ...adminHeaders, Accept: 'text/html' };
    const again = await fetch(`${server.url}/api/v1/waiting-list/${params.path.id}/remove`, {
      method: 'POST',
      headers,
    });
    expect(again.status).toBe(404);
    const page = await again.text();
    expect(page).toContain('Nothing was changed: this person is not on the list any more.');
    expect(page).toContain('data-address="/admin/waiting-list"');
    const audit = await server.db
      .selectFrom('audit_events')
      .select(['what', 'detail'])
      .orderBy('id')
      .execute();
    expect(audit).toEqual([
      { what: 'waiting-move', detail: 'eve@example.org: first' },
      { what: 'waiting-call', detail: 'bob@example.org' },
      { what: 'waiting-remove', detail: 'eve@example.org' },
    ]);
    expect((await openBrowser().get('/admin/waiting-list')).status).toBe(401);
  });
});

// People with names and roles: what instructors may do and are offered, who stands in the audit, and what a change of an account does.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthenticator } from '../../src/auth/authenticate.ts';
import { endpointIds, exampleRequest, infoOf } from '../support/contract-examples.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { EXAMPLE, seedLab } from '../support/example-rows.ts';
import { shortIntervals } from '../support/operations.ts';
import { sendRaw } from '../support/raw-http.ts';
import { ADMIN, startTestServer, type TestServer } from '../support/server.ts';
import { withHeaders } from '../support/status-requests.ts';

const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`;
/** The account of the examples. */
const ADA = basic('ada', 'correct horse battery');
const BUILT_IN = basic(ADMIN.user, ADMIN.password);

let server: TestServer;
beforeAll(async () => {
  const provider = createScriptedProvider();
  server = await startTestServer({}, { provider, operationIntervals: shortIntervals });
});
afterAll(() => server[Symbol.asyncDispose]());

const send = (
  path: string,
  authorization: string,
  form?: Readonly<Record<string, string>>,
  accept = 'text/html',
) =>
  fetch(new URL(path, server.url), {
    method: form ? 'POST' : 'GET',
    ...(form && { body: new URLSearchParams(form) }),
    headers: { authorization, accept, connection: 'close' },
    redirect: 'manual',
  });

test('a real instructor is refused on every endpoint for admins, and on no other', async () => {
  const wrong: string[] = [];
  for (const id of endpointIds.filter((each) => infoOf(each).role !== null)) {
    await seedLab(server.db);
    const request = withHeaders(exampleRequest(id), { Authorization: ADA, Accept: 'application/json' });
    const { status } = await sendRaw(server.url, request);
    const isRefused = infoOf(id).role === 'admin' || OF_ITS_SUBJECT.includes(id);
    if ((status === 403) !== isRefused) wrong.push(`${id}: ${status}`);
  }
  expect(wrong).toEqual([]);
  // One endpoint asks for confirmation of all actions on several machines.
  const destroy = { action: 'destroy', which: 'listed', hostnames: EXAMPLE.hostname };
  expect((await send('/api/v1/selected-vms/preview', ADA, destroy)).status).toBe(403);
  expect((await send('/api/v1/selected-vms/preview', BUILT_IN, destroy)).status).toBe(200);
}, 60_000);

/** The handler looks at what it is about: the example is a launch. */
const OF_ITS_SUBJECT: readonly (typeof endpointIds)[number][] = ['cancelOperation'];

test('an instructor cancels what an instructor may start, and has the button for nothing else', async () => {
  for (const kind of ['release', 'restart', 'destroy', 'launch']) {
    await seedLab(server.db);
    const operation = server.db.updateTable('operations').where('id', '=', EXAMPLE.operationId);
    const change = { kind, status: 'queued', ended_at: null, requested_at: new Date() };
    await operation.set({ ...change, num_vms: kind === 'launch' ? 1 : null }).execute();
    const mayCancel = kind === 'release' || kind === 'restart';
    const address = `/api/v1/operations/${EXAMPLE.operationId}/cancel`;
    const page = await (await send(`/admin/operations/${EXAMPLE.operationId}`, ADA)).text();
    expect([kind, page.includes(`action="${address}"`)]).toEqual([kind, mayCancel]);
    const answer = await send(address, ADA, {}, 'application/json');
    expect([kind, answer.status]).toEqual([kind, mayCancel ? 200 : 403]);
    const text = await answer.text();
    if (!mayCancel) expect(text).toContain('"admins_only"');
  }
});

test('pages show an instructor who is signed in, and no link or form that leads to a refusal', async () => {
  await seedLab(server.db);
  const wrong: string[] = [];
  const pages = endpointIds.filter((id) => {
    const { method, role, responses } = infoOf(id);
    return method === 'get' && role === 'instructor' && responses['200']?.includes('text/html');
  });
  expect(pages.length).toBeGreaterThan(8);
  for (const id of pages) {
    const request = withHeaders(exampleRequest(id), { Authorization: ADA, Accept: 'text/html' });
    const { status, text } = await sendRaw(server.url, request);
    if (status !== 200 || !text.includes('>ada</a>')) wrong.push(`${id}: ${status}, not signed in as ada`);
    for (const [, kind = '', address = ''] of text.matchAll(/(href|action)="([^"]*)"/g)) {
      const refused = endpointIds.find(
        (each) => leadsTo(each, kind, address) && infoOf(each).role === 'admin',
      );
      if (refused) wrong.push(`${id} offers ${refused}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** Whether the link (GET) or form (POST) is of this endpoint, and of no endpoint with a fixed path. */
function leadsTo(id: (typeof endpointIds)[number], kind: string, address: string): boolean {
  const { method, path } = infoOf(id);
  const [wanted = ''] = address.replaceAll('&amp;', '&').split(/[?#]/);
  const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
  return method === (kind === 'href' ? 'get' : 'post') && pattern.test(wanted);
}

test('what an account does stands under its name: in the audit, in settings, in operations', async () => {
  await seedLab(server.db);
  const grace = { name: 'grace', role: 'admin', password: 'a long enough password' };
  expect((await send('/api/v1/accounts', BUILT_IN, grace)).status).toBe(303);
  // Names are compared without regard to case; the account's own writing is what is recorded.
  const GRACE = basic('Grace', grace.password);
  expect((await send(`/api/v1/assignments/${EXAMPLE.assignmentId}/release`, ADA, {})).status).toBe(303);
  expect((await send('/api/v1/settings', GRACE, { title: 'Poses' })).status).toBe(303);
  expect((await send('/api/launch', GRACE, { num_vms: '1' }, 'application/json')).status).toBe(202);
  const audit = await server.db.selectFrom('audit_events').select(['who', 'what']).orderBy('id').execute();
  expect(audit).toEqual([
    { who: 'admin', what: 'account-add' },
    { who: 'ada', what: 'release' },
    { who: 'grace', what: 'settings' },
    { who: 'grace', what: 'launch' },
  ]);
  const setting = await server.db.selectFrom('settings').select('changed_by').execute();
  expect(setting).toEqual([{ changed_by: 'grace' }]);
  const operation = await server.db
    .selectFrom('operations')
    .select('requested_by')
    .where('num_vms', '=', 1)
    .execute();
  expect(operation).toEqual([{ requested_by: 'grace' }]);
});

test('a changed, disabled or removed account is refused at once, on every allocator', async () => {
  await seedLab(server.db);
  const { db } = server;
  const allocator = () =>
    createAuthenticator({
      ...{ db, accounts: db, admin: ADMIN, nowMs: () => 0 },
      ...{ registrationToken: undefined, forwarderToken: undefined, metricsToken: undefined },
    });
  const both = [allocator(), allocator()];
  const known = () => Promise.all(both.map((each) => each.remembered('ada', 'correct horse battery')));
  expect(await known()).toEqual([null, null]);
  for (const each of both) await each.basic('ada', 'correct horse battery');
  expect(await known()).toEqual(both.map(() => ({ user: 'ada', role: 'instructor' })));
  const change = async (action: string, form = {}) =>
    expect((await send(`/api/v1/accounts/ada/${action}`, BUILT_IN, form)).status).toBe(303);
  await change('role', { role: 'admin' });
  expect(await known()).toEqual(both.map(() => ({ user: 'ada', role: 'admin' })));
  await change('disable');
  expect(await known()).toEqual([null, null]);
  await change('enable');
  for (const each of both) await each.basic('ada', 'correct horse battery');
  await change('password', { password: 'quite another one' });
  expect(await known()).toEqual([null, null]);
  expect(await both[0]?.basic('ada', 'correct horse battery')).toBeNull();
  expect(await both[0]?.basic('ada', 'quite another one')).toEqual({ user: 'ada', role: 'admin' });
  await change('remove');
  expect(await both[0]?.remembered('ada', 'quite another one')).toBeNull();
});

test('nobody takes the name of the configured admin, and nobody locks themselves out', async () => {
  await seedLab(server.db);
  const add = (name: string) =>
    send(
      '/api/v1/accounts',
      BUILT_IN,
      { name, role: 'admin', password: 'a long enough password' },
      'application/json',
    );
  expect([(await add('ADMIN')).status, (await add('Ada')).status, (await add('allocator')).status]).toEqual([
    400, 409, 400,
  ]);
  // As where ADMIN_USER was changed to the name of an account.
  await server.db.updateTable('accounts').set({ name: 'Admin' }).execute();
  expect((await send('/admin', basic('Admin', 'correct horse battery'))).status).toBe(401);
  expect((await send('/admin', BUILT_IN)).status).toBe(200);
  expect((await send('/api/v1/accounts/Admin/remove', BUILT_IN, {}, 'application/json')).status).toBe(409);
});

test('a form that is refused shows what was typed, but no password', async () => {
  await seedLab(server.db);
  const form = { name: '<b>grace</b>', role: 'admin', password: 'a secret that is fine' };
  const refused = await send('/api/v1/accounts', BUILT_IN, form);
  const html = await refused.text();
  expect(refused.status).toBe(400);
  expect(html).toContain('value="&lt;b&gt;grace&lt;/b&gt;"');
  expect(html).toContain('value="admin" checked');
  expect(html).not.toContain(form.password);
  expect(server.logLines.join('\n')).not.toContain(form.password);
});

test('a new password that is refused shows the accounts with the error at its field', async () => {
  await seedLab(server.db);
  const renew = (password: string, accept?: string) =>
    send('/api/v1/accounts/ada/password', BUILT_IN, { password }, accept);
  const refused = await renew('short');
  const html = await refused.text();
  expect(refused.status).toBe(400);
  expect(html).toContain('The password of ada was not changed.');
  expect(html).toMatch(/id="renewed-error">The password needs at least 12 characters\.</);
  expect(html).toContain('aria-describedby="renewed-hint renewed-error" aria-invalid="true"');
  expect(html).toContain('action="/api/v1/accounts/ada/password"');
  expect(html).not.toContain('No account was added');
  expect((await renew('aaaaaaaaaaaa', 'application/json')).status).toBe(400);
  expect((await renew('quite another one')).status).toBe(303);
});

test('a second click on a removed account leads back to the accounts, which say so; programs get 404', async () => {
  await seedLab(server.db);
  const remove = (accept?: string) => send('/api/v1/accounts/ada/remove', BUILT_IN, {}, accept);
  expect((await remove()).headers.get('location')).toBe('/admin/accounts?done=removed');
  const again = await remove();
  expect([again.status, again.headers.get('location')]).toEqual([303, '/admin/accounts?done=gone']);
  expect(await (await send('/admin/accounts?done=gone', BUILT_IN)).text()).toContain(
    'There is no such account any more',
  );
  expect((await remove('application/json')).status).toBe(404);
});

test('what is refused because it is one’s own account is said on the page of the accounts', async () => {
  await seedLab(server.db);
  await server.db.updateTable('accounts').set({ role: 'admin' }).execute();
  const own = await send('/api/v1/accounts/ADA/disable', ADA, {});
  expect([own.status, own.headers.get('content-type')]).toEqual([409, 'text/html; charset=utf-8']);
  expect(await own.text()).toContain('You cannot disable, remove or change your own account here');
  // The configured admin has none, and is told where to change what.
  const configured = await send('/api/v1/accounts/admin/disable', BUILT_IN, {}, 'application/json');
  expect(configured.status).toBe(409);
  expect(await configured.text()).toContain('This is the name of the configured admin (ADMIN_USER)');
  // Nor does the page offer it, where an account got this name before.
  await server.db.updateTable('accounts').set({ name: 'Admin' }).execute();
  const html = await (await send('/admin/accounts', BUILT_IN)).text();
  expect(html).toContain('Cannot sign in: the configured admin has this name');
  expect(html).not.toContain('action="/api/v1/accounts/Admin');
});

test('somebody changes their own password with the current one', async () => {
  await seedLab(server.db);
  const change = (current_password: string, password: string) =>
    send('/api/v1/account/password', ADA, { current_password, password });
  expect((await change('a wrong one', 'quite another one')).status).toBe(400);
  expect((await change('correct horse battery', 'short')).status).toBe(400);
  expect((await change('correct horse battery', 'quite another one')).status).toBe(200);
  expect((await send('/admin', ADA)).status).toBe(401);
  expect((await send('/admin', basic('ada', 'quite another one'))).status).toBe(200);
});

test('signing out refuses whoever signs out, and nobody else', async () => {
  await seedLab(server.db);
  const out = await send('/admin/sign-out?from=ada', ADA);
  expect([out.status, out.headers.get('www-authenticate')]).toEqual([
    401,
    'Basic realm="LabLink", charset="UTF-8"',
  ]);
  expect(await out.text()).toContain('You are signed out');
  expect((await send('/admin/sign-out?from=ada', BUILT_IN)).status).toBe(200);
});

test('the audit is filtered, paged and written as CSV; what people typed stays text', async () => {
  await seedLab(server.db);
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 31, 9, 0, minute));
  const events = Array.from({ length: 130 }, (_, index) => ({
    ...{ who: index % 2 === 0 ? 'ada' : 'grace', what: 'release', at: at(index), hostname: `vm-${index}` },
    detail: index === 0 ? '=1+1 <img src=x onerror=alert(1)>' : 'grace@example.org',
  }));
  await server.db.insertInto('audit_events').values(events).execute();
  const read = async (query: string) => {
    const answer = await send(`/api/v1/audit?${query}`, BUILT_IN, undefined, 'application/json');
    return (await answer.json()) as { items: { hostname: string }[]; next: string | null };
  };
  const first = await read('');
  expect([first.items.length, first.items[0]?.hostname]).toEqual([100, 'vm-129']);
  const second = await read(`before=${first.next}`);
  expect([second.items.length, second.items.at(-1)?.hostname, second.next]).toEqual([30, 'vm-0', null]);
  expect((await read('who=grace&target=vm-7')).items).toHaveLength(1);
  expect((await read('who=ada&target=vm-7')).items).toHaveLength(0);
  expect((await read('target=ONERROR')).items).toHaveLength(1);
  expect((await read('from=2026-01-31T09:01&to=2026-01-31T09:02')).items).toHaveLength(60);
  expect((await read('to=2026-01-31')).items).toHaveLength(100);
  expect((await read('to=2026-01-30')).items).toHaveLength(0);
  const csv = await (await send('/api/v1/audit.csv?who=ada', BUILT_IN)).text();
  expect(csv.trim().split('\r\n')).toHaveLength(66);
  expect(csv).toContain(",'=1+1 <img");
  const html = await (await send('/admin/audit?target=onerror', BUILT_IN)).text();
  expect(html).toContain('=1+1 &lt;img');
  expect(html).not.toContain('<img src=x');
  const wrong = await send('/admin/audit?from=soon', BUILT_IN);
  expect(wrong.status).toBe(400);
  expect(await wrong.text()).toContain('>This is not a time such as 2026-01-31 or 2026-01-31T09:00.<');
  // A page that is just full is the last one.
  await server.db.deleteFrom('audit_events').where('at', '<', at(30)).execute();
  expect((await read('')).next).toBeNull();
});

// Actions on several machines, over HTTP: as a browser sends them without JavaScript, and as programs do.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { fail, succeed } from '../../src/result.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { giveThisVm, giveVm, insertFreeVms, vmNames } from '../support/rows.ts';

let lab: FleetServer;

beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await emptyTables(lab.server.db);
  lab.provider.script.result = succeed();
});

const send = (path: string, fields: readonly (readonly [string, string])[], accept = 'text/html') =>
  fetch(`${lab.server.url}/api/v1/selected-vms/${path}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...lab.auth, accept },
    body: new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value])),
  });
const html = async (...given: Parameters<typeof send>) => (await send(...given)).text();
const ended = (path: string) =>
  vi.waitFor(
    async () => {
      const page = await lab.page(path);
      expect(page).not.toContain('data-cancel>');
      return page;
    },
    { timeout: 60_000, interval: 50 },
  );
/** The hidden fields of the form that confirms. */
const fieldsOf = (page: string) =>
  [...page.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );

test('ticked machines are released through a page that names everybody, and one operation', async () => {
  const { db } = lab.server;
  await insertFreeVms(db, ['a']);
  await giveVm(db, 'ada@x.org');
  await insertFreeVms(db, ['b']);
  await giveVm(db, 'bob@x.org');
  await insertFreeVms(db, ['c']);
  await db
    .insertInto('roster')
    .values({ email: 'ada@x.org', name: 'Ada <Lovelace>', added_by: 'admin' })
    .execute();
  const page = await html('preview', [
    ['action', 'release'],
    ['which', 'listed'],
    ['q', ' x y'],
    ['show', 'running'],
    ['sort', '-seen'],
    ...['a', 'b', 'c'].map((hostname) => ['hostnames', hostname] as const),
  ]);
  expect(page).toContain('<h1>Release 2 machines</h1>');
  expect(page).toContain(
    '<a class="btn" href="/admin/instances?q=x+y&amp;show=running&amp;sort=-seen#bulk">Cancel</a>',
  );
  expect(page).toContain('Ada &lt;Lovelace&gt;');
  for (const text of [
    'bob@x.org',
    'Never downloaded.',
    'The machine is not assigned.',
    'Download their files first',
  ])
    expect(page).toContain(text);
  const fields = fieldsOf(page);
  expect(fields.filter(([name]) => name === 'hostnames').map(([, value]) => value)).toEqual(['a', 'b']);
  const [first, second] = await Promise.all([send('release', fields), send('release', fields)]);
  expect([first.status, second.status]).toEqual([303, 303]);
  const path = first.headers.get('location') ?? '';
  expect(second.headers.get('location')).toBe(path);
  const operation = await ended(path);
  for (const text of ['<h1>Release 2 machines</h1>', '2 machines were released.', 'Released', 'bob@x.org'])
    expect(operation).toContain(text);
  expect(await lab.page('/admin/operations')).toContain('Release 2 machines');
  expect(await lab.page('/admin/vms/a')).toContain('Released');
});

test('a machine that changed between the selection and the confirmation is left, and the page says for whom', async () => {
  const { db } = lab.server;
  await insertFreeVms(db, ['a']);
  await giveVm(db, 'ada@x.org');
  const fields = fieldsOf(
    await html('preview', [
      ['action', 'destroy'],
      ['hostnames', 'a'],
    ]),
  );
  await sql`update assignments set released_at = now()`.execute(db);
  await sql`update vms set assignment_id = null`.execute(db);
  await giveVm(db, 'eve@x.org');
  const started = await send('destroy', fields);
  const operation = await ended(started.headers.get('location') ?? '');
  expect(operation).toContain('1 machine of 1 was not destroyed; the reason stands with each.');
  expect(operation).toContain('The machine has been assigned to eve@x.org in the meantime');
  expect(await lab.page('/admin/vms/a')).toContain('eve@x.org');
  const download = await send('download', fields);
  expect(download.status).toBe(409);
  expect(await download.text()).toContain('other participants got some of them: a.');
});

test('the page of a destroy names who had each machine, also when the machines are gone', async () => {
  const { db } = lab.server;
  await lab.launch(3);
  await lab.idle();
  const rows = async () => (await listVmRows(db)).map(({ hostname }) => hostname);
  const names = await rows();
  const [first = '', second = ''] = names;
  await giveThisVm(db, first, 'ada@x.org');
  await giveThisVm(db, second, 'bob@x.org');
  await db.insertInto('roster').values({ email: 'ada@x.org', name: 'Ada', added_by: 'admin' }).execute();
  const page = await html('preview', [
    ['action', 'destroy'],
    ...names.map((hostname) => ['hostnames', hostname] as const),
  ]);
  lab.provider.script.holdAfter = 1;
  const path = (await send('destroy', fieldsOf(page))).headers.get('location') ?? '';
  const participants = async () =>
    [...(await lab.page(path)).matchAll(/data-cell="participant">(.*)<\/td>/g)].map(([, cell]) => cell);
  const named = ['ada@x.org<span class="under">Ada</span>', 'bob@x.org'];
  await vi.waitFor(async () => expect(await rows()).toHaveLength(2));
  expect(await participants()).toEqual([...named, '<span class="hint">Not assigned</span>', '']);
  lab.provider.release();
  await ended(path);
  expect(await rows()).toEqual([]);
  expect(await participants()).toEqual([...named, '', '']);
});

test('all that are shown and all of a status are found by the server, without a tick', async () => {
  const { db } = lab.server;
  await insertFreeVms(db, ['lab-1', 'lab-2', 'other-1']);
  await sql`update vms set status = 'error' where hostname = 'lab-2'`.execute(db);
  const listed = async (fields: Parameters<typeof send>[1]) => {
    const answer = await send('preview', [['action', 'destroy'], ...fields], 'application/json');
    const { items } = (await answer.json()) as { items: { hostname: string }[] };
    return items.map(({ hostname }) => hostname);
  };
  expect(
    await listed([
      ['which', 'shown'],
      ['q', 'LAB'],
      ['show', 'all'],
    ]),
  ).toEqual(['lab-1', 'lab-2']);
  expect(
    await listed([
      ['which', 'shown'],
      ['q', 'lab'],
      ['show', 'error'],
    ]),
  ).toEqual(['lab-2']);
  expect(
    await listed([
      ['which', 'error'],
      ['q', 'other'],
      ['show', 'all'],
    ]),
  ).toEqual(['lab-2']);
});

test('nothing selected and too many machines are said on the page, and change nothing', async () => {
  const none = await send('preview', [['action', 'release']]);
  expect(none.status).toBe(400);
  const noneText = await none.text();
  expect(noneText).toContain('No machine is selected.');
  expect(noneText).toContain('<h1>Select machines</h1>');
  expect(noneText).toContain('tick the machines that you mean');
  expect(noneText).not.toContain('0 machines');
  const nobody = await send('preview', [
    ['action', 'release'],
    ['which', 'error'],
  ]);
  expect(await nobody.text()).toContain('There is no machine in what you chose.');
  await insertFreeVms(lab.server.db, vmNames(1_001));
  const many = await send('preview', [
    ['action', 'destroy'],
    ['which', 'all'],
  ]);
  expect(many.status).toBe(400);
  expect(await many.text()).toContain('1001 machines are selected; at most 1000 can be changed at once.');
  const names = vmNames(1_001).map((hostname) => ['hostnames', hostname] as const);
  expect((await send('destroy', names, 'application/json')).status).toBe(400);
  expect((await send('release', [['hostnames', 'a\0b']], 'application/json')).status).toBe(400);
  expect(await lab.server.db.selectFrom('operations').select('id').execute()).toEqual([]);
});

test('a download of machines that are not there says that, and not that they have not started', async () => {
  await insertFreeVms(lab.server.db, ['a']);
  await sql`update vms set status = 'initializing'`.execute(lab.server.db);
  const saidOf = async (...hostnames: string[]) =>
    (
      await send(
        'download',
        hostnames.map((name) => ['hostnames', name] as const),
        'application/json',
      )
    ).text();
  expect(await saidOf('nobody')).toContain('There is no machine nobody. It may have been destroyed.');
  expect(await saidOf('a', 'x', 'y')).toContain('There are no such machines: x, y.');
  expect(await saidOf('a')).toContain('The machine has not started yet');
});

test('while another operation runs, the page says so and asks again', async () => {
  await insertFreeVms(lab.server.db, ['a']);
  await giveVm(lab.server.db, 'ada@x.org');
  lab.provider.script.holdAfter = 0;
  await lab.launch(1);
  const refused = await send('release', [['hostnames', 'a']]);
  const page = await refused.text();
  await lab.forget();
  expect(refused.status).toBe(409);
  expect(page).toContain('Nothing was released: another operation is running.');
  expect(page).toContain('<h1>Release 1 machine</h1>');
});

test('the audit says what was asked for, and what became of it, once', async () => {
  const { db, admin } = lab.server;
  const read = async (what: string) => {
    const { data } = await admin.GET('/api/v1/audit', { params: { query: { what } } });
    return data?.items
      .map(({ text, hostname, detail, outcome }) => [text, hostname, detail, outcome])
      .toSorted();
  };
  const act = async (action: string, hostnames: readonly string[]) => {
    const page = await html('preview', [
      ['action', action],
      ['which', 'listed'],
      ...hostnames.map((hostname) => ['hostnames', hostname] as const),
    ]);
    await ended((await send(action, fieldsOf(page))).headers.get('location') ?? '');
  };
  await insertFreeVms(db, ['a']);
  await giveVm(db, 'ada@x.org');
  await insertFreeVms(db, ['b']);
  await act('release', ['a']);
  expect(await read('release')).toEqual([
    ['Release requested', null, 'a', 'Done'],
    ['Released', 'a', 'ada@x.org', null],
  ]);
  lab.provider.script.undeletable = new Set(['b']);
  lab.provider.script.result = fail({ code: 'program', message: 'The cloud said no.', remedy: 'Try again.' });
  onTestFinished(() => {
    lab.provider.script.undeletable = new Set();
  });
  await act('destroy', ['b']);
  expect(await read('destroy')).toEqual([
    ['Destroy requested', null, 'b', 'Failed: 0 of 1 machine destroyed'],
    ['Destroy requested', 'b', '', 'Not destroyed'],
  ]);
  const page = await lab.page('/admin/audit');
  expect(page).not.toContain('>Destroyed');
  expect(page).toContain('Failed: 0 of 1 machine destroyed');
});

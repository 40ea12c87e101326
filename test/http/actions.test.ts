// What an admin does about one machine, over HTTP: JSON to programs, pages to people.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fail, succeed } from '../../src/result.ts';
import { byUrgency } from '../../src/vms/attention.ts';
import { fillLab } from '../support/workshop-rows.ts';
import { startFleetServer, type FleetServer } from '../support/fleet-server.ts';
import { ageCommand, giveVm, insertFreeVms } from '../support/rows.ts';

let lab: FleetServer;

beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await lab.server.db.deleteFrom('vms').execute();
  lab.provider.script.result = succeed();
});

const by = (hostname: string) => ({ params: { path: { hostname } } });
const form = async (path: string) => {
  const response = await fetch(lab.server.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...lab.auth, accept: 'text/html,application/xhtml+xml,*/*;q=0.8' },
  });
  return { status: response.status, location: response.headers.get('location'), text: await response.text() };
};
const page = (path: string) => lab.page(path);
const ended = (id: string, message: string) =>
  vi.waitFor(async () => expect(await page(`/admin/operations/${id}`)).toContain(message), {
    timeout: 60_000,
    interval: 100,
  });

describe('a participant who is let in from another browser', () => {
  test('a participant who may use another browser needs no PIN, once', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    await giveVm(lab.server.db, 'ada@x.org');
    const asked = async () =>
      fetch(`${lab.server.url}/api/request_vm`, {
        method: 'POST',
        headers: { Accept: 'application/json' },
        body: new URLSearchParams({ email: 'ada@x.org', crd_command: '--code=4/0Aone' }),
      });
    expect((await asked()).status).toBe(409);
    const allowBrowser = await lab.server.admin.POST('/api/v1/vms/{hostname}/allow-browser', by('a'));
    expect(allowBrowser.data).toMatchObject({
      vm: { hostname: 'a' },
      message: expect.stringContaining('ada@x.org') as string,
    });
    expect((await asked()).status).toBe(200);
    expect((await asked()).status).toBe(409);
  });
});

describe('a participant who comes back from another browser', () => {
  const post = (path: string, fields: Record<string, string>, accept = 'text/html') =>
    fetch(lab.server.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { accept },
      body: new URLSearchParams(fields),
    });

  test('e-mail and PIN open the page, and leave the command and the connection as they are', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    const body = { hostname: 'a', outcome: 'registered' } as const;
    await lab.server.client.POST('/api/v1/assignments/{id}/outcome', { params: { path: { id } }, body });
    const back = await post('/api/v1/return', { email: ' Ada@X.org', pin: '123 456' });
    expect(back.status).toBe(303);
    expect(back.headers.get('location')).toBe(`/assignments/${id}`);
    const [cookie = ''] = (back.headers.get('set-cookie') ?? '').split(';');
    const shown = await fetch(`${lab.server.url}/assignments/${id}`, { headers: { cookie } });
    expect(await shown.text()).toContain('data-state="connected"');
  });

  test('a wrong PIN and an unknown e-mail have the same answer, and wrong PINs are counted', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    await giveVm(lab.server.db, 'ada@x.org');
    const asked = async (email: string) => {
      const answer = await post('/api/v1/return', { email, pin: '000000' }, 'application/json');
      const { code, detail } = (await answer.json()) as { code: string; detail: string };
      return { status: answer.status, code, detail };
    };
    const wrong = await asked('ada@x.org');
    expect(wrong).toMatchObject({ status: 404, code: 'assignment_not_found' });
    expect(await asked('nobody@x.org')).toEqual(wrong);
    for (let failures = 1; failures < 5; failures += 1) await asked('ada@x.org');
    expect(await asked('ada@x.org')).toMatchObject({ status: 429, code: 'too_many_pin_attempts' });
    const form = await (await post('/api/v1/return', { email: 'nobody@x.org', pin: '1' })).text();
    expect(form).toMatch(/id="return" open[\s\S]*No machine belongs to this e-mail address and PIN\./);
    expect(form).not.toContain('data-countdown');
    // Whoever has to wait sees how long, in either form.
    const crd_command = 'start-host --code="4/0Aone"';
    for (const [path, more] of [
      ['/api/v1/return', {}],
      ['/api/request_vm', { crd_command }],
    ] as const) {
      const locked = await (await post(path, { email: 'ada@x.org', pin: '000000', ...more })).text();
      expect(locked).toMatch(/Too many wrong PINs\. Wait \d+ minutes/);
      expect(Number(/data-countdown="(\d+)"/.exec(locked)?.[1])).toBeGreaterThan(200);
    }
  });

  test('the page of another browser offers to open it with e-mail and PIN', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    const other = await fetch(`${lab.server.url}/assignments/${id}`, { headers: { accept: 'text/html' } });
    expect(other.status).toBe(404);
    expect(await other.text()).toContain('action="/api/v1/return"');
  });
});

describe('destroying one machine from its page', { timeout: 90_000 }, () => {
  test('destroying one machine from its page leads to the page of that operation and needs no script', async () => {
    await insertFreeVms(lab.server.db, ['a', 'b']);
    const asked = await form('/api/v1/vms/a/destroy');
    expect(asked.status).toBe(303);
    expect(asked.location).toMatch(/^\/admin\/operations\//);
    await ended((asked.location ?? '').split('/').at(-1) ?? '', '1 machine was destroyed.');
    const told = await page(asked.location ?? '');
    expect(told).toContain('<h1>Destroy a</h1>');
    expect(told).toContain('Verified: these machines no longer exist.');
    expect(told).toContain('1 machine is left.');
    expect(await page('/admin/operations')).toContain('Destroy a');
  });

  test('destroying one machine that cannot begin stays on the page of the machine and shows the reason', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    lab.provider.script.holdAfter = 0;
    const { id } = await lab.launch(1);
    const refused = await form('/api/v1/vms/a/destroy');
    lab.provider.release();
    expect(refused.status).toBe(409);
    expect(refused.text).toContain('Nothing was destroyed: another operation is running.');
    expect((await form('/api/v1/vms/nobody/destroy')).status).toBe(404);
    await ended(id, '1 machine was created.');
  });
});

describe('a command that did not work', () => {
  test('the reason that the agent reports is shown to the admin everywhere, and not to the participant', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    const reported = await lab.server.client.POST('/api/v1/assignments/{id}/outcome', {
      params: { path: { id } },
      body: { hostname: 'a', outcome: 'failed', message: 'OAuth error: invalid_grant' },
    });
    expect(reported.response.status).toBe(200);
    const { data: vm } = await lab.server.admin.GET('/api/v1/vms/{hostname}', by('a'));
    expect(vm?.command_error).toBe('OAuth error: invalid_grant');
    expect(vm?.attention?.message).toContain('(OAuth error: invalid_grant)');
    const { data: timeline } = await lab.server.admin.GET('/api/v1/vms/{hostname}/timeline', by('a'));
    expect(timeline?.items.map(({ text }) => text)).toContain(
      'Command failed (ada@x.org: OAuth error: invalid_grant).',
    );
    for (const path of ['/admin', '/admin/instances', '/admin/vms/a'])
      expect(await page(path)).toContain('OAuth error: invalid_grant');
    const { data: assignment } = await lab.server.admin.GET('/api/v1/assignments/{id}', {
      params: { path: { id } },
    });
    expect(JSON.stringify(assignment)).not.toContain('invalid_grant');
  });

  test('a participant who was moved to another machine needs a new command, and the admin reads why', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    const body = { hostname: 'a', outcome: 'registered' } as const;
    await lab.server.client.POST('/api/v1/assignments/{id}/outcome', { params: { path: { id } }, body });
    await insertFreeVms(lab.server.db, ['b']);
    await lab.server.admin.POST('/api/v1/vms/{hostname}/reassign', by('a'));
    const { data: vm } = await lab.server.admin.GET('/api/v1/vms/{hostname}', by('b'));
    expect(vm?.attention?.message).toContain('was moved to this machine and needs a new command');
    for (const path of ['/admin/instances', '/admin/vms/b']) {
      expect(await page(path)).toContain('Moved; needs a new command');
      expect(await page(path)).not.toContain('Code expired');
    }
  });
});

describe('a machine that runs but does not ask for its command', () => {
  test('the participant is not asked for a new command, and the admin is told to assign another machine', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    await ageCommand(lab.server.db, 'ada@x.org', 601);
    const { data } = await lab.server.admin.GET('/api/v1/assignments/{id}', { params: { path: { id } } });
    expect(data?.state).toBe('machine_lost');
    expect(data?.message).toContain('tell your instructor');
    const overview = await page('/admin');
    expect(overview).toContain('is not picking up the participant’s command');
    expect(overview).toContain('Assign another machine: a');
    expect(overview).not.toContain('paste a new command');
  });
});

describe('actions from the page', () => {
  test('an action on the page leads to the page of the machine, which says what was done', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const { id } = await giveVm(lab.server.db, 'ada@x.org');
    expect(await form('/api/v1/vms/a/allow-browser')).toMatchObject({
      status: 303,
      location: '/admin/vms/a?done=allow-browser',
    });
    await insertFreeVms(lab.server.db, ['b']);
    const moved = await form('/api/v1/vms/a/reassign');
    expect(moved).toMatchObject({ status: 303, location: '/admin/vms/b?done=reassign' });
    expect(await page(moved.location ?? '')).toContain('The participant has this machine now');
    // A second click finds nobody.
    expect(await form('/api/v1/vms/a/reassign')).toMatchObject({ status: 409, location: null });
    expect(await form(`/api/v1/assignments/${id}/release`)).toMatchObject({
      status: 303,
      location: '/admin/vms/b?done=release',
    });
    expect(await page('/admin/vms/b')).toContain('This participant’s files are still on the machine.');
  });

  test('an action that cannot be done stays on the page and shows the reason', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    await giveVm(lab.server.db, 'ada@x.org');
    const refused = await form('/api/v1/vms/a/reassign');
    expect(refused.status).toBe(409);
    expect(refused.text).toContain('No machine is free, so nothing was changed.');
    expect(refused.text).toContain('ada@x.org');
    expect((await form('/api/v1/vms/nobody/allow-browser')).status).toBe(404);
  });

  test('a page for an unknown action says that the action is unknown', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    const response = await fetch(`${lab.server.url}/admin/vms/a?done=nonsense`, { headers: lab.auth });
    expect(response.status).toBe(400);
  });
});

describe('a restart', () => {
  test('a restart asks the provider and waits until the machine reports', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    await lab.server.db.updateTable('vms').set({ provider: 'local' }).execute();
    const restarted = await lab.server.admin.POST('/api/v1/vms/{hostname}/restart', by('a'));
    expect(restarted.data?.vm.status).toBe('initializing');
    expect(lab.provider.calls).toContain('restart a');
    await lab.server.client.POST('/api/vm-status', { body: { hostname: 'a', status: 'running' } });
    const timeline = await lab.server.admin.GET('/api/v1/vms/{hostname}/timeline', by('a'));
    expect(timeline.data?.items.map(({ text, who }) => [text, who])).toEqual([
      ['The machine is running.', null],
      ['The machine is starting.', null],
      ['Restart requested.', 'admin'],
      ['The machine is running.', null],
    ]);
  });

  test('a restart that fails leaves the machine as it was, and says why', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    await lab.server.db.updateTable('vms').set({ provider: 'local' }).execute();
    lab.provider.script.result = fail({
      code: 'engine',
      message: 'It will not.',
      remedy: 'Ask it nicely.',
    });
    const refused = await form('/api/v1/vms/a/restart');
    expect(refused.status).toBe(503);
    expect(refused.text).toContain('The machine was not restarted. It will not. Ask it nicely.');
    expect(await page('/admin/vms/a')).toContain('Running');
  });

  test('a restart is not offered where the provider cannot restart', async () => {
    await insertFreeVms(lab.server.db, ['a']);
    expect(await page('/admin/vms/a')).not.toContain('Restart machine');
    const refused = await lab.server.admin.POST('/api/v1/vms/{hostname}/restart', by('a'));
    expect(refused.response.status).toBe(409);
  });
});

test('the overview counts the machines, and the CSV lists them', async () => {
  await insertFreeVms(lab.server.db, ['vm-10', 'vm-2']);
  await giveVm(lab.server.db, 'ada@x.org');
  await lab.server.client.POST('/api/vm-status', { body: { hostname: 'vm-2', status: 'error' } });
  const { data } = await lab.server.admin.GET('/api/v1/overview');
  expect(data).toMatchObject({ total: 2, assigned: 1, failed: 1, by_status: { running: 1, error: 1 } });
  expect(data?.attention).toHaveLength(1);
  const csv = await (await fetch(`${lab.server.url}/api/v1/vms.csv?q=vm-`, { headers: lab.auth })).text();
  expect(csv.split('\r\n').map((line) => line.split(',')[0])).toEqual(['hostname', 'vm-2', 'vm-10', '']);
});

test('the overview lists exactly the machines that need attention, the most urgent first', async () => {
  await fillLab(lab.server.db);
  const { data: overview } = await lab.server.admin.GET('/api/v1/overview');
  const { data: all } = await lab.server.admin.GET('/api/v1/vms');
  const needing = all!.items.flatMap(({ attention }) => attention ?? []);
  expect(needing.length).toBeGreaterThan(6);
  expect(overview!.attention).toEqual(needing.toSorted(byUrgency));
  expect(overview!.attention_total).toBe(needing.length);
});

test(
  'after a rehearsal the start page does not say that the workshop is over',
  { timeout: 90_000 },
  async () => {
    const { id } = await lab.launch(2);
    await ended(id, '2 machines were created.');
    await lab.server.admin.POST('/destroy', { headers: { Accept: 'application/json' } });
    await vi.waitFor(async () => expect(await page('/admin/operations')).not.toContain('data-active'), {
      timeout: 60_000,
      interval: 100,
    });
    const { data } = await lab.server.client.GET('/api/v1/lab');
    expect(data).toMatchObject({ state: 'not_open', total: 0 });
    const start = await page('/');
    expect(start).toContain('There are no machines right now.');
    expect(start).not.toContain('is over');
  },
);

// Notifications on a whole server: the organiser's page without JavaScript, secrets that are shown once, and a participant who waits.
import { describe, expect, test, vi } from 'vitest';
import { sql } from 'kysely';
import { startMailServer } from '../support/mail-server.ts';
import { adminHeaders } from '../support/raw-http.ts';
import { insertFreeVms } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

const QUICK = { notifyIntervals: { lookMs: 20, watchMs: 20 } } as const;
const RECIPIENTS = '/api/v1/notifications/recipients';

/** As a browser sends a form. */
function submit({ url }: TestServer, path: string, fields: Readonly<Record<string, string>> = {}) {
  return fetch(url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...adminHeaders, Accept: 'text/html' },
    body: new URLSearchParams(fields),
  });
}

const look = async ({ url }: TestServer): Promise<string> =>
  (await fetch(`${url}/admin/notifications`, { headers: { ...adminHeaders, Accept: 'text/html' } })).text();

async function readAll({ admin }: TestServer) {
  const { data } = await admin.GET('/api/v1/notifications');
  if (data === undefined) throw new Error('the notifications could not be read');
  return data;
}

test('an organiser adds, tests, pauses and removes recipients by forms, and reads what could not be sent', async () => {
  await using mail = await startMailServer();
  await using hook = await startWebhookReceiver();
  await using server = await startTestServer({ ...mail.env, WEBHOOK_ALLOW_PRIVATE: 'true' }, QUICK);
  expect(await look(server)).toContain('Nobody is notified yet.');

  const form = { kind: 'email', address: ' Ada@Example.org ', people_waiting: 'true' };
  expect((await submit(server, RECIPIENTS, form)).headers.get('Location')).toBe(
    '/admin/notifications?done=added',
  );
  const webhook = { kind: 'webhook', address: hook.url, secret: hook.secret, backup_failed: 'true' };
  expect((await submit(server, RECIPIENTS, webhook)).status).toBe(303);
  const again = await submit(server, RECIPIENTS, webhook);
  expect(again.status).toBe(409);
  const page = await again.text();
  expect(page).toContain('is a recipient already');
  expect(page).not.toContain(hook.secret);

  const { recipients } = await readAll(server);
  expect(recipients.map(({ address, events }) => [address, events])).toEqual([
    ['ada@example.org', ['people_waiting']],
    [hook.url, ['backup_failed']],
  ]);
  for (const { id } of recipients) await submit(server, `${RECIPIENTS}/${id}/test`);
  await vi.waitFor(() => expect([mail.received.length, hook.received.length]).toEqual([1, 1]));
  expect(mail.received[0]).toMatchObject({ from: 'lablink@example.org', to: ['ada@example.org'] });
  expect(hook.received[0]?.payload).toMatchObject({ type: 'test', data: { requested_by: 'admin' } });

  const [mailed, hooked] = recipients.map(({ id }) => id);
  for (const action of ['resume', 'pause', 'pause'])
    await submit(server, `${RECIPIENTS}/${mailed}/${action}`);
  const paused = await server.db
    .selectFrom('audit_events')
    .select('what')
    .where('what', 'like', 'notify-%')
    .execute();
  expect(paused.map(({ what }) => what).filter((what) => /pause|resume/.test(what))).toEqual([
    'notify-pause',
  ]);
  hook.answerWith((response) => void response.writeHead(410).end());
  await submit(server, `${RECIPIENTS}/${hooked}/test`);
  await vi.waitFor(async () => expect((await readAll(server)).failed).toBe(1));
  const shown = await look(server);
  expect(shown).toContain('The webhook answered 410.');
  expect(shown).toContain('1 notification could not be sent.');
  expect(shown).toContain('Paused since');
  expect(shown).not.toContain('whsec_B');

  const [failed] = (await readAll(server)).deliveries.filter(({ can_retry: canRetry }) => canRetry);
  hook.answerWith(null);
  await submit(server, `/api/v1/notifications/deliveries/${failed?.id}/retry`);
  await vi.waitFor(() => expect(hook.received).toHaveLength(2));
  for (const id of [mailed, hooked]) await submit(server, `${RECIPIENTS}/${id}/remove`);
  expect(await readAll(server)).toMatchObject({ recipients: [], deliveries: [] });
});

test('a webhook whose secret cannot be one comes back with what was typed, and says what a secret is', async () => {
  await using server = await startTestServer();
  const form = { kind: 'webhook', address: 'https://hooks.example.org/a', people_waiting: 'true' };
  for (const secret of ['hunter2', 'whsec_short', `whsec_${'A'.repeat(33)}`, `whsec_${'A'.repeat(92)}`]) {
    const refused = await submit(server, RECIPIENTS, { ...form, secret });
    const page = await refused.text();
    expect(refused.status).toBe(400);
    expect(page).toContain('Nothing was added.');
    expect(page).toContain('value="https://hooks.example.org/a"');
    expect(page).toMatch(/value="webhook" checked/);
    expect(page).toMatch(/id="new-people_waiting" name="people_waiting" value="true" checked/);
    expect(page).not.toMatch(/id="new-backup_failed"[^>]* checked/);
    expect(page).toMatch(/id="secret-error">The signing secret must be whsec_ followed by 24 to 64 bytes/);
    expect(page).not.toContain(secret);
  }
  expect((await readAll(server)).recipients).toEqual([]);
  const { error } = await server.admin.POST(RECIPIENTS, {
    body: { kind: 'webhook', address: form.address, secret: 'hunter2' },
    headers: { Accept: 'application/json' },
  });
  expect(error).toMatchObject({ code: 'invalid_request', errors: [{ field: 'secret' }] });
  const right = { ...form, secret: ` whsec_${Buffer.alloc(24, 7).toString('base64')} ` };
  expect((await submit(server, RECIPIENTS, right)).status).toBe(303);
});

test('a signing secret for an e-mail is refused at its field, and the rest of the form stays; white space is no secret', async () => {
  await using server = await startTestServer();
  const form = { kind: 'email', address: 'ada@example.org', people_waiting: 'true' } as const;
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const refused = await submit(server, RECIPIENTS, { ...form, secret });
  expect(refused.status).toBe(400);
  const page = await refused.text();
  expect(page).toContain('Nothing was added.');
  expect(page).toMatch(/id="secret-error">Only a webhook has a signing secret/);
  expect(page).toContain('value="ada@example.org"');
  expect(page).toMatch(/value="email" checked/);
  expect(page).toMatch(/id="new-people_waiting" name="people_waiting" value="true" checked/);
  expect(page).not.toContain(secret);
  const { error } = await server.admin.POST(RECIPIENTS, {
    body: { kind: 'email', address: form.address, secret },
    headers: { Accept: 'application/json' },
  });
  expect(error).toMatchObject({ code: 'invalid_request', errors: [{ field: 'secret' }] });
  expect((await readAll(server)).recipients).toEqual([]);
  expect((await submit(server, RECIPIENTS, { ...form, secret: ' ' })).status).toBe(303);
  const [added] = (await readAll(server)).recipients;
  const changed = await fetch(`${server.url}${RECIPIENTS}/${added?.id}`, {
    method: 'POST',
    headers: { ...adminHeaders, 'Content-Type': 'application/json' },
    body: JSON.stringify({ secret }),
  });
  expect(changed.status).toBe(400);
});

test('a webhook that is seen to be on this computer or in its network is refused when it is added, unless that is allowed', async () => {
  const add = (server: TestServer, address: string) =>
    submit(server, RECIPIENTS, { kind: 'webhook', address, people_waiting: 'true' });
  const hosts = ['localhost', 'LOCALHOST.', 'hook.localhost', '127.0.0.1', '127.1', '10.0.0.7', '[::1]'];
  {
    await using server = await startTestServer();
    for (const host of hosts) {
      const address = `https://${host}/hook`;
      const refused = await add(server, address);
      expect(refused.status, host).toBe(400);
      const page = await refused.text();
      expect(page, host).toMatch(/id="address-error">The webhook is at an address that is not public/);
      expect(page, host).toContain(`value="${address}"`);
    }
    expect((await readAll(server)).recipients).toEqual([]);
    // What DNS says about a name is asked when something is sent.
    for (const host of ['hooks.example.org', 'localhost.example.org'])
      expect((await add(server, `https://${host}/hook`)).status, host).toBe(200);
  }
  await using allowing = await startTestServer({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  expect((await add(allowing, 'http://localhost:9/hook')).status).toBe(200);
});

test('a second click on what is done already leads back to the page, which says so; programs get 404', async () => {
  await using server = await startTestServer();
  await submit(server, RECIPIENTS, { kind: 'email', address: 'ada@example.org' });
  const [recipient] = (await readAll(server)).recipients;
  const path = `${RECIPIENTS}/${recipient?.id}/remove`;
  const leadsTo = async (address: string) => (await submit(server, address)).headers.get('Location');
  expect(await leadsTo(path)).toBe('/admin/notifications?done=removed');
  expect(await leadsTo(path)).toBe('/admin/notifications?done=gone');
  const retry = `/api/v1/notifications/deliveries/${recipient?.id}/retry`;
  expect(await leadsTo(retry)).toBe('/admin/notifications?done=retried_already');
  for (const [page, sentence] of [
    ['notifications?done=gone', 'There is no such recipient any more'],
    ['notifications?done=retried_already', 'it is being tried again already, or it was sent'],
  ])
    expect(
      await (
        await fetch(`${server.url}/admin/${page}`, { headers: { ...adminHeaders, Accept: 'text/html' } })
      ).text(),
    ).toContain(sentence);
  for (const address of [path, retry]) {
    const headers = { ...adminHeaders, Accept: 'application/json' };
    expect((await fetch(server.url + address, { method: 'POST', headers })).status).toBe(404);
  }
});

test('a secret that is made is shown once; neither rows, log, audit nor pages have it later', async () => {
  await using server = await startTestServer();
  const address = 'https://hooks.example.org/services/T0/secret-path';
  const page = await (await submit(server, RECIPIENTS, { kind: 'webhook', address })).text();
  const [secret = ''] = /whsec_[\w+/]{43}=/.exec(page.replaceAll('&#43;', '+')) ?? [];
  expect(secret).not.toBe('');
  const rows = await sql<{ row: string }>`
    select to_jsonb(r)::text as row from notification_recipients r
    union all select to_jsonb(a)::text from audit_events a`.execute(server.db);
  const everything = [await look(server), JSON.stringify(await readAll(server)), ...server.logLines];
  const kept = rows.rows.map(({ row }) => row);
  for (const text of [...everything, ...kept]) expect(text).not.toContain(secret.slice('whsec_'.length));
  expect(kept.join('\n')).toContain('webhook at hooks.example.org');
  expect(kept.filter((row) => row.includes('notify-add')).join()).not.toContain('secret-path');
});

describe('a participant who waits', () => {
  const join = ({ url }: TestServer, fields: Readonly<Record<string, string>>, cookie = '') =>
    fetch(`${url}/api/v1/waiting-list`, {
      method: 'POST',
      redirect: 'manual',
      headers: { Accept: 'text/html', Cookie: cookie },
      body: new URLSearchParams({ email: 'ada@example.org', ...fields }),
    });
  const open = async ({ url }: TestServer, cookie: string): Promise<string> =>
    (await fetch(url, { headers: { Accept: 'text/html', Cookie: cookie } })).text();

  test('gets one e-mail about a reserved machine if they have ticked the box, and opening its link claims nothing', async () => {
    await using mail = await startMailServer();
    await using server = await startTestServer({ ...mail.env, PUBLIC_URL: 'https://lab.example.org' }, QUICK);
    const [cookie = ''] = (await join(server, {})).headers.getSetCookie()[0]?.split(';') ?? [];
    expect(await open(server, cookie)).toContain('Send me an e-mail when a machine is ready');
    await join(server, { notify: 'yes' }, cookie);
    expect(await open(server, cookie)).toContain('You get an e-mail when a machine is ready.');
    await insertFreeVms(server.db, ['vm-1']);
    await vi.waitFor(() => expect(mail.received).toHaveLength(1));
    expect(mail.received[0]).toMatchObject({ to: ['ada@example.org'] });
    const link = /https:\/\/\S+/.exec(mail.received[0]?.text ?? '')?.[0] ?? '';
    expect(link).toBe('https://lab.example.org/');
    for (const method of ['GET', 'HEAD']) await fetch(server.url, { method, headers: { Cookie: cookie } });
    const vm = await server.db.selectFrom('vms').select(['assignment_id', 'reserved_for']).executeTakeFirst();
    expect(vm).toMatchObject({ assignment_id: null, reserved_for: expect.any(String) as unknown });
    expect(mail.received).toHaveLength(1);
  });

  test('is not offered an e-mail where no mail server is configured, and gets none', async () => {
    await using server = await startTestServer();
    const [cookie = ''] = (await join(server, { notify: 'yes' })).headers.getSetCookie()[0]?.split(';') ?? [];
    const page = await open(server, cookie);
    expect(page).toContain('You are on the waiting list');
    expect(page).not.toContain('e-mail when a machine');
    await insertFreeVms(server.db, ['vm-1']);
    await vi.waitFor(async () => expect(await open(server, cookie)).toContain('It is your turn'));
    expect(await server.db.selectFrom('notification_deliveries').select('id').execute()).toEqual([]);
  });
});

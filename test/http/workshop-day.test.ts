// One workshop from the settings to its end: twelve people of the roster, with the code, for ten machines; their own work; closed.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openArchive } from '../collect/lab.ts';
import { adminHeaders } from '../support/raw-http.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer } from '../support/server.ts';
import { startSshMachine } from '../support/ssh-machine.ts';

const LONG_TEST_MS = 60_000;
const CRD = 'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --name=$(hostname)';
const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();
const given = z.object({ hostname: z.string(), pin: z.string(), assignment_id: z.string() });
const problem = z.object({ code: z.string() });

test(
  'a workshop opens, serves those on the roster who have the code, gives everybody their own work, and closes',
  async () => {
    await using server = await startTestServer({ DOWNLOAD_FOLDERS: 'participant' });
    const { admin, url, db } = server;
    await using machine = await startSshMachine(server.dataDir, { 'thesis.txt': 'work of months' });
    await insertFreeVms(db, vmNames(10));
    await db
      .updateTable('vms')
      .set({ address: '127.0.0.1', ssh_user: machine.user, ssh_port: machine.port, provider: 'local' })
      .execute();
    const emails = Array.from({ length: 12 }, (_, index) => `person${index + 1}@example.org`);
    const send = (email: string, code: string) =>
      fetch(`${url}/api/request_vm`, {
        method: 'POST',
        headers: { Accept: 'application/json' },
        body: new URLSearchParams({ email, crd_command: CRD, code }),
      });
    const codeOf = async (response: Response) => problem.parse(await response.json()).code;
    const get = (path: string, cookie = '') =>
      fetch(url + path, { headers: { Cookie: cookie, Accept: 'text/html' } });

    const { data: settings } = await admin.PATCH('/api/v1/settings', {
      body: { title: 'Tracking', join: 'roster_and_code', opens_at: inHours(1), closes_at: inHours(3) },
    });
    const code = settings?.code ?? '';
    const { data: preview } = await admin.POST('/api/v1/roster/uploads', {
      body: {
        csv: ['email;name', ...emails.map((email, index) => `${email};Person ${index + 1}`)].join('\n'),
      },
      headers: { Accept: 'application/json' },
    });
    const path = z.object({ id: z.string() }).parse(preview);
    await admin.POST('/api/v1/roster/uploads/{id}/take', { params: { path } });
    expect(await codeOf(await send('person1@example.org', code))).toBe('workshop_scheduled');

    await admin.PATCH('/api/v1/settings', { body: { opens_at: inHours(-1) } });
    expect(await codeOf(await send('person1@example.org', 'WRONG'))).toBe('code_wrong');
    expect(await codeOf(await send('stranger@example.org', code))).toBe('not_on_roster');
    const answers = await Promise.all(emails.map((email) => send(email, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    for (const full of answers.filter(({ status }) => status !== 200))
      expect(await codeOf(full)).toBe('none_free');

    const served = answers.filter(({ status }) => status === 200);
    const cookies = served.map((answer) => answer.headers.get('set-cookie')?.split(';')[0] ?? '');
    const seats = await Promise.all(served.map(async (answer) => given.parse(await answer.json())));
    const [seat, other] = seats;
    if (!seat || !other) throw new Error('nobody was served');
    const files = `/api/v1/assignments/${seat.assignment_id}/files`;
    const mine = await get(files, cookies[0]);
    expect(mine.status).toBe(200);
    const { names } = await openArchive(Buffer.from(await mine.arrayBuffer()));
    expect(names).toContain(`${seat.hostname}/thesis.txt`);
    expect(names.filter((name) => name.startsWith(other.hostname))).toEqual([]);
    const foreign = await get(files, cookies[1]);
    expect([foreign.status, foreign.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);

    await admin.PATCH('/api/v1/settings', { body: { closes_at: inHours(-0.5) } });
    const waiting = answers.findIndex(({ status }) => status !== 200);
    expect(await codeOf(await send(emails[waiting] ?? '', code))).toBe('workshop_closed');
    const page = await (await get(`/assignments/${seat.assignment_id}`, cookies[0])).text();
    expect(page).toContain('The workshop is closed.');
    expect(page).toContain(`href="${files}"`);
    expect((await get(files, cookies[0])).status).toBe(200);
    // The organiser's zip and table have the names of the roster.
    const auth = { headers: adminHeaders };
    const all = await openArchive(
      Buffer.from(await (await fetch(`${url}/api/scp-client`, auth)).arrayBuffer()),
    );
    const first = emails[answers.findIndex(({ status }) => status === 200)] ?? '';
    const name = `Person ${emails.indexOf(first) + 1}`;
    expect(all.names).toContain(`${name} (${first})/thesis.txt`);
    expect(await (await fetch(`${url}/api/v1/vms.csv`, auth)).text()).toContain(`,${name}`);
    expect(await (await fetch(`${url}/admin/instances`, auth)).text()).toContain(`${name} · `);
    // From another browser, with the PIN.
    const email = emails[answers.findIndex(({ status }) => status === 200)] ?? '';
    const returned = await fetch(`${url}/api/v1/return`, {
      method: 'POST',
      headers: { Accept: 'application/json' },
      body: new URLSearchParams({ email, pin: seat.pin }),
    });
    const elsewhere = returned.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await get(files, elsewhere)).status).toBe(200);
  },
  LONG_TEST_MS,
);

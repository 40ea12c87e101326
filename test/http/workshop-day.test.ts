// One workshop from the settings to its end: twelve people of the roster, with the code, for ten machines; two wait, one of them with a
// phone without JavaScript; one is released, one served; their own work; closed.
import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openArchive } from '../collect/lab.ts';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { WAIT } from '../support/operations.ts';
import { adminHeaders } from '../support/raw-http.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { startSshMachine } from '../support/ssh-machine.ts';

const LONG_TEST_MS = 60_000;
const CRD = 'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --name=$(hostname)';
const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();
const given = z.object({ hostname: z.string(), pin: z.string(), assignment_id: z.string() });
const problem = z.object({ code: z.string() });

async function join(url: string, email: string, code: string): Promise<unknown> {
  const joined = await fetch(`${url}/api/v1/waiting-list`, {
    method: 'POST',
    headers: { Accept: 'application/json' },
    body: new URLSearchParams({ email, code }),
  });
  return joined.json();
}

/** Without a page where there is no browser. */
async function openPhone(): Promise<AsyncDisposable & { readonly page: Page | null }> {
  if (!hasBrowser) return { page: null, [Symbol.asyncDispose]: () => Promise.resolve() };
  const browser = await launchBrowser();
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    javaScriptEnabled: false,
  });
  return { page: await context.newPage(), [Symbol.asyncDispose]: () => browser.close() };
}

type Waiting = {
  /** The link that was shared. */
  readonly address: string;
  readonly code: string;
  /** Who waits first, with the phone. */
  readonly waiting: string;
  readonly last: string;
  /** Whose machine is released. */
  readonly leaving: z.output<typeof given>;
};

/** Two wait, one is released, and the first of the two is served; the other one stays. */
async function waitAndServe(
  { url, admin, client }: TestServer,
  phone: Page | null,
  { address, code, waiting, last, leaving }: Waiting,
): Promise<void> {
  await (phone ? walkToTheList(phone, address, waiting) : join(url, waiting, code));
  expect(await join(url, last, code)).toMatchObject({ state: 'waiting', ahead: 1 });
  await expectNamesWhileWaiting({ url, admin }, [waiting, last]);
  const { hostname, assignment_id: released } = leaving;
  await admin.POST('/api/v1/selected-vms/release', {
    body: { hostnames: [hostname], assignment_ids: [released] },
    headers: { Accept: 'application/json' },
  });
  const reset = { params: { path: { hostname } }, body: { assignment_id: released } };
  const statusOfReset = async () =>
    (await client.POST('/api/v1/vms/{hostname}/recycled', reset)).response.status;
  await expect.poll(statusOfReset, WAIT).toBe(200);
  if (phone) expect(await walkToTheMachine(phone)).toBe(hostname);
  const list = await admin.GET('/api/v1/waiting-list');
  expect(list.data?.items[0]).toMatchObject({ email: phone ? last : waiting });
}

/** The name that the roster of this test has. */
const nameOf = (email: string): string => `Person ${/\d+/.exec(email)?.[0]}`;

/** On the organiser's list, beside the e-mail addresses. */
async function expectNamesWhileWaiting(
  { url, admin }: Pick<TestServer, 'url' | 'admin'>,
  emails: readonly string[],
): Promise<void> {
  const { data } = await admin.GET('/api/v1/waiting-list');
  const people = emails.map((email) => ({ email, name: nameOf(email) }));
  expect(data?.items).toMatchObject(people);
  const page = await (await fetch(`${url}/admin/waiting-list`, { headers: adminHeaders })).text();
  for (const { email, name } of people) expect(page).toContain(`${name}<span class="under">${email}</span>`);
}

/** What needs attention names the participant whose machine has failed. */
async function expectNameOfAttention(
  { url, admin, db }: Pick<TestServer, 'url' | 'admin' | 'db'>,
  { hostname, email }: { readonly hostname: string; readonly email: string },
): Promise<void> {
  await db.updateTable('vms').set({ status: 'error' }).where('hostname', '=', hostname).execute();
  const { data } = await admin.GET('/api/v1/overview');
  expect(data?.attention).toMatchObject([{ hostname, email, name: nameOf(email) }]);
  const page = await (await fetch(`${url}/admin`, { headers: adminHeaders })).text();
  expect(page).toContain(`${hostname}</a> · ${nameOf(email)} · ${email}`);
  await db.updateTable('vms').set({ status: 'running' }).where('hostname', '=', hostname).execute();
}

async function expectClosed(phone: Page | null): Promise<void> {
  await phone?.reload();
  if (phone) expect(await textOf(phone)).toContain('The workshop is closed.');
}

const textOf = (page: Page) => page.locator('main').innerText();
/** As the page loads itself. It came as the answer to a form: to reload it would send the form again. */
async function textOfStart(page: Page): Promise<string> {
  await page.goto(new URL('/', page.url()).href);
  return textOf(page);
}

async function submit(page: Page): Promise<void> {
  await page.fill('#crd-command', CRD);
  await page.click('form[action="/api/request_vm"] button[type=submit]');
}

/** The link has the code. */
async function walkToTheList(page: Page, address: string, email: string): Promise<void> {
  await page.goto(address);
  await page.fill('#email', email);
  await submit(page);
  expect(await textOf(page)).toContain('You are on the waiting list');
  await expectGoodPage(page);
}

/** Returns the machine that the page shows. */
async function walkToTheMachine(page: Page): Promise<string> {
  await expect.poll(() => textOfStart(page), WAIT).toContain('It is your turn');
  await expectGoodPage(page);
  await submit(page);
  await expectGoodPage(page);
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download my files' }).click();
  const { names } = await openArchive(await readFile(await (await download).path()));
  const hostname = await page.locator('.facts .big').first().innerText();
  expect(names).toContain(`${hostname}/thesis.txt`);
  return hostname;
}

/** One heading, and as wide as the phone. */
async function expectGoodPage(page: Page): Promise<void> {
  expect(await page.locator('h1').count()).toBe(1);
  const { width } = (await page.locator('body').boundingBox()) ?? { width: 0 };
  expect(width).toBeLessThanOrEqual(390);
}

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

    const [waiting = '', last = ''] = emails.filter((_, index) => answers[index]?.status !== 200);
    await using phone = await openPhone();
    await waitAndServe(server, phone.page, {
      address: `${url}/?code=${code}`,
      code,
      waiting,
      last,
      leaving: other,
    });

    await admin.PATCH('/api/v1/settings', { body: { closes_at: inHours(-0.5) } });
    expect(await codeOf(await send(last, code))).toBe('workshop_closed');
    await expectClosed(phone.page);
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
    const name = nameOf(first);
    await expectNameOfAttention(server, { hostname: seat.hostname, email: first });
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

// The participants' pages, state by state.
import { sql } from 'kysely';
import { refuseForms } from '../support/busy-page.ts';
import { expect } from 'vitest';
import { ageCommand, giveVm, insertFreeVms, vmNames } from '../support/rows.ts';
import type { TestServer } from '../support/server.ts';
import type { Screen, Stage } from './screen.ts';

const EMAIL = 'ada.lovelace@example.org';
const command = (code: string): string =>
  `DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="${code}" --redirect-url="https://remotedesktop.google.com/_/oauthredirect" --name=$(hostname)`;

async function ask({ page, go }: Stage, crdCommand = command('4/0Aada_lovelace-1815')): Promise<void> {
  await go('/');
  await page.fill('#email', EMAIL);
  await page.fill('#crd-command', crdCommand);
  await Promise.all([
    page.waitForResponse('**/api/request_vm'),
    page.click('form[action="/api/request_vm"] button[type="submit"]'),
  ]);
  await page.waitForLoadState();
}

const setVms = (server: TestServer, status: string, from: number) =>
  sql`update vms set status = ${status} where split_part(hostname, '-', 4)::int >= ${from}`.execute(
    server.db,
  );

/** Longer than a test takes: the page does not go on to the next state. */
const BUSY_SECONDS = 600;

/** The form that a busy server has refused. */
function busy(name: string, options: Pick<Screen, 'javaScript'> = {}): Screen {
  return {
    name: `index-busy${name}`,
    status: 503,
    ...options,
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await refuseForms(stage.page, 'requestVm', BUSY_SECONDS);
      await ask(stage);
      await stage.page.unroute('**/api/request_vm');
    },
  };
}

/** Forty machines, of which so many are ready. */
async function insertLab(server: TestServer, ready: number): Promise<void> {
  await insertFreeVms(server.db, vmNames(40));
  await setVms(server, 'initializing', ready + 1);
}

async function takeAll(server: TestServer, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) await giveVm(server.db, `person${number}@example.org`);
}

/** The success page, after this has become true. */
function success(name: string, change: (server: TestServer) => Promise<unknown>, javaScript?: false): Screen {
  return {
    name: `success-${name}`,
    ...(javaScript === false && { javaScript }),
    show: async (stage) => {
      const { server, page } = stage;
      await insertFreeVms(server.db, ['lablink-vm-prod-17']);
      await ask(stage);
      const id = await page.locator('[data-assignment]').getAttribute('data-assignment');
      await change(server);
      await stage.go(`/assignments/${id}`);
    },
  };
}

/** Somebody is on the waiting list, from another browser. */
async function waitFor(server: TestServer, email: string): Promise<void> {
  await server.db
    .insertInto('waiting_list')
    .values({ id: crypto.randomUUID(), email, code: '271828' })
    .execute();
}

/** The page of a place on the waiting list. */
function place(
  name: string,
  before: (stage: Stage) => Promise<void>,
  javaScript?: false,
  state: 'waiting' | 'reserved' = 'waiting',
): Screen {
  return {
    name: `place-${name}`,
    ...(javaScript === false && { javaScript }),
    show: async (stage) => {
      if (state === 'waiting') await before(stage);
      await ask(stage);
      if (state === 'waiting') return;
      await before(stage);
      await expect
        .poll(() => stage.server.db.selectFrom('waiting_list').select('reserved_vm').executeTakeFirst(), {
          timeout: 10_000,
        })
        .not.toEqual({ reserved_vm: null });
      await stage.go('/');
    },
  };
}

const assignments = (server: TestServer) => server.db.updateTable('assignments');
const now = sql<Date>`now()`;
const confirms = (server: TestServer) =>
  sql`insert into vm_presence (hostname, confirms) values ('lablink-vm-prod-17', true)
      on conflict (hostname) do update set confirms = true`.execute(server.db);

export const participantScreens: readonly Screen[] = [
  { name: 'index-not-open', show: ({ go }) => go('/') },
  {
    name: 'index-scheduled',
    show: async ({ server, go }) => {
      await insertLab(server, 12);
      await server.admin.PATCH('/api/v1/settings', { body: { opens_at: '2099-03-01T09:00:00Z' } });
      await go('/');
    },
  },
  {
    name: 'index-closed',
    show: async ({ server, go }) => {
      await server.admin.PATCH('/api/v1/settings', { body: { closes_at: '2026-01-01T09:00:00Z' } });
      await go('/');
    },
  },
  {
    name: 'index-code',
    show: async ({ server, go }) => {
      await insertLab(server, 12);
      const { data } = await server.admin.PATCH('/api/v1/settings', { body: { join: 'code' } });
      await go(`/?code=${data?.code}`);
    },
  },
  {
    name: 'index-code-wrong',
    javaScript: false,
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await stage.server.admin.PATCH('/api/v1/settings', { body: { join: 'code' } });
      await ask(stage);
    },
  },
  {
    name: 'index-not-on-roster',
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await stage.server.admin.PATCH('/api/v1/settings', { body: { join: 'roster' } });
      await ask(stage);
    },
  },
  {
    name: 'index-starting',
    show: async ({ server, go }) => {
      await insertLab(server, 12);
      await takeAll(server, 12);
      await go('/');
    },
  },
  {
    name: 'index-open',
    show: async ({ server, go }) => {
      await insertLab(server, 12);
      await go('/');
    },
  },
  {
    name: 'index-open-no-javascript',
    javaScript: false,
    show: async ({ server, go }) => {
      await insertFreeVms(server.db, vmNames(3));
      await go('/');
    },
  },
  place('waiting', ({ server }) => waitFor(server, 'first@example.org')),
  place('waiting-no-javascript', () => Promise.resolve(), false),
  place('reserved', ({ server }) => insertFreeVms(server.db, ['lablink-vm-prod-17']), undefined, 'reserved'),
  place(
    'reserved-no-javascript',
    ({ server }) => insertFreeVms(server.db, ['lablink-vm-prod-17']),
    false,
    'reserved',
  ),
  {
    name: 'place-left',
    show: async (stage) => {
      await ask(stage);
      await sql`update waiting_list set left_at = now(), left_reason = 'missed'`.execute(stage.server.db);
      await stage.go('/');
    },
  },
  {
    name: 'place-code',
    show: async (stage) => {
      await waitFor(stage.server, EMAIL);
      await ask(stage);
    },
  },
  {
    name: 'index-wrong-fields',
    javaScript: false,
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await ask(stage, 'https://remotedesktop.google.com/headless');
    },
  },
  {
    name: 'index-command-wrong',
    show: async ({ server, page, go }) => {
      await insertFreeVms(server.db, vmNames(2));
      await go('/');
      await page.fill('#crd-command', 'https://remotedesktop.google.com/headless');
      await page.locator('#crd-command').blur();
    },
  },
  {
    name: 'index-command-right',
    show: async ({ server, page, go }) => {
      await insertFreeVms(server.db, vmNames(2));
      await go('/');
      await page.fill('#email', EMAIL);
      await page.fill('#crd-command', command('4/0Aada_lovelace-1815'));
      await page.locator('#crd-command').blur();
    },
  },
  busy(''),
  busy('-no-javascript', { javaScript: false }),
  {
    name: 'index-busy-returning',
    status: 503,
    show: async ({ page, go }) => {
      await refuseForms(page, 'returnToVm', BUSY_SECONDS);
      await go('/');
      await page.click('#return summary');
      await page.fill('#return-email', EMAIL);
      await page.fill('#return-pin', '123456');
      await page.click('#return button[type="submit"]');
      await page.locator('#busy').waitFor();
      await page.unroute('**/api/v1/return');
    },
  },
  {
    name: 'index-pin',
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await giveVm(stage.server.db, EMAIL);
      await ask(stage);
    },
  },
  {
    name: 'index-has-machine',
    show: async (stage) => {
      await insertFreeVms(stage.server.db, vmNames(2));
      await ask(stage);
      await stage.go('/');
    },
  },
  success('waiting', () => Promise.resolve()),
  success('waiting-no-javascript', () => Promise.resolve(), false),
  success('sent', async (server) => {
    await confirms(server);
    await assignments(server).set({ delivered_at: now }).execute();
  }),
  success('sent-unconfirmed', (server) => assignments(server).set({ delivered_at: now }).execute()),
  success('connected', async (server) => {
    await confirms(server);
    await assignments(server)
      .set({ delivered_at: now, acknowledged_at: now, outcome: 'registered' })
      .execute();
  }),
  success('failed', (server) =>
    assignments(server).set({ delivered_at: now, acknowledged_at: now, outcome: 'failed' }).execute(),
  ),
  success('expired', async (server) => {
    await sql`insert into vm_presence (hostname, waiting_until) values ('lablink-vm-prod-17', now() + interval '1 hour')
      on conflict (hostname) do update set waiting_until = excluded.waiting_until`.execute(server.db);
    await ageCommand(server.db, EMAIL, 3_600);
  }),
  success('not-picked-up', (server) => ageCommand(server.db, EMAIL, 3_600)),
  success('machine-lost', (server) => server.db.updateTable('vms').set({ status: 'error' }).execute()),
  success('released', (server) => assignments(server).set({ released_at: now }).execute()),
  {
    name: 'success-returning',
    show: async (stage) => {
      await insertFreeVms(stage.server.db, ['lablink-vm-prod-17']);
      await ask(stage);
      await ask(stage);
    },
  },
  {
    name: 'success-offline',
    show: async (stage) => {
      await insertFreeVms(stage.server.db, ['lablink-vm-prod-17']);
      await ask(stage);
      await stage.page.context().setOffline(true);
      await stage.page.locator('[data-connection]').waitFor({ timeout: 20_000 });
    },
  },
  { name: 'check', show: ({ go }) => go('/check') },
  { name: 'check-no-javascript', javaScript: false, show: ({ go }) => go('/check') },
  { name: 'error-not-found', status: 404, show: ({ go }) => go('/nowhere') },
  {
    name: 'error-assignment-of-another-browser',
    status: 404,
    show: ({ go }) => go('/assignments/00000000-0000-4000-8000-000000000000'),
  },
  { name: 'error-unreadable-address', status: 400, show: ({ go }) => go('/assignments/nonsense') },
];

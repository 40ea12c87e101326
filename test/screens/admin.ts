// The admin's pages, state by state.
import { sql } from 'kysely';
import type { components } from '../../src/contract/openapi.gen.ts';
import { fillLab, labHostname } from '../support/workshop-rows.ts';
import { recordRosterRequest } from '../../src/db/roster.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { RECYCLING, seedLab } from '../support/example-rows.ts';
import { expect } from 'vitest';
import type { Screen, Stage } from './screen.ts';

const seeded =
  (path: string) =>
  async ({ server, go }: Stage): Promise<void> => {
    await seedLab(server.db);
    await go(path);
  };

/** In the middle of a workshop. */
const filled =
  (path: string) =>
  async ({ server, go }: Stage): Promise<void> => {
    await fillLab(server.db);
    await go(path);
  };
const machine = (number: number): string => `/admin/vms/${labHostname(number)}`;

type Download = components['schemas']['Download'];

const download: Download = {
  id: '',
  hostname: null,
  is_selection: false,
  requested_by: 'admin',
  started_at: '2026-01-31T09:00:00Z',
  ended_at: null,
  state: 'sending',
  vms: 6,
  vms_searched: 6,
  ...{ vms_done: 0, vms_failed: 0, files: 0, bytes: 0 },
  files_found: 1_204,
  bytes_found: 4_100_000_000,
  message: null,
};

/** The section of everybody's work, as the server would tell it. */
function downloads(name: string, items: readonly Download[]): Screen {
  return {
    name: `work-${name}`,
    show: async ({ server, page, go }) => {
      await seedLab(server.db);
      const told = items.map((item) => ({ ...item, id: crypto.randomUUID() }));
      await page.route('**/api/v1/downloads', (route) => route.fulfill({ json: { items: told } }));
      await go('/admin');
      await expect.poll(() => page.locator('[data-list] > li').count()).toBe(items.length);
      await page.locator('details:has(a[download]) > summary').click();
    },
  };
}

/** Five people wait: one has a machine reserved, one is called, one has gone away. */
async function fillWaitingList({ db }: Stage['server']): Promise<void> {
  await insertFreeVms(db, ['lablink-vm-prod-17']);
  await sql`insert into waiting_list (id, email, code, since, called_at, missed)
    select gen_random_uuid(), name || '@example.org', '271828', now() - make_interval(mins => minutes),
      case when name = 'joan' then now() end, case when name = 'grace' then 1 else 0 end
    from (values ('ada.lovelace', 21), ('grace', 17), ('katherine', 9), ('joan', 4), ('mary', 1)) as people (name, minutes)`.execute(
    db,
  );
  await sql`insert into waiting_presence (id) select id from waiting_list where email <> 'katherine@example.org'`.execute(
    db,
  );
  const reserved = sql`select from waiting_list where reserved_vm is not null`;
  await expect.poll(async () => (await reserved.execute(db)).rows.length, { timeout: 10_000 }).toBe(1);
}

export const adminScreens: readonly Screen[] = [
  {
    name: 'waiting-list',
    show: async ({ server, go }) => {
      await fillWaitingList(server);
      await go('/admin/waiting-list');
    },
  },
  {
    name: 'waiting-list-no-script',
    javaScript: false,
    show: async ({ server, go }) => {
      await fillWaitingList(server);
      await go('/admin/waiting-list');
    },
  },
  { name: 'waiting-list-empty', show: ({ go }) => go('/admin/waiting-list') },
  {
    name: 'admin-waiting',
    show: async ({ server, go }) => {
      await fillLab(server.db);
      await sql`update vms set status = 'recycling' where assignment_id is null and status = 'running'`.execute(
        server.db,
      );
      await fillWaitingList(server);
      await go('/admin');
    },
  },
  { name: 'admin', show: seeded('/admin') },
  { name: 'admin-empty', show: ({ go }) => go('/admin') },
  { name: 'admin-workshop', show: filled('/admin') },
  {
    name: 'admin-share',
    show: async ({ server, page, go }) => {
      await server.admin.PATCH('/api/v1/settings', {
        body: { join: 'code', opens_at: '2099-03-01T09:00:00Z' },
      });
      await go('/admin');
      await page.locator('details:has(.qr) > summary').click();
    },
  },
  { name: 'roster-empty', show: ({ go }) => go('/admin/roster') },
  {
    name: 'roster-preview',
    show: async ({ page, go }) => {
      await go('/admin/roster');
      await page.setInputFiles('#file', {
        name: 'people.csv',
        mimeType: 'text/csv',
        buffer: Buffer.from(
          'E-Mail;Name;Gruppe\r\nada@example.org;Zoë Müller;A\r\nADA@example.org;;\r\n',
          'latin1',
        ),
      });
      await expect.poll(() => page.inputValue('#csv')).toContain('Zoë Müller');
      await page.click('form[aria-labelledby="upload"] button[type="submit"]');
      await page.locator('#preview').waitFor();
    },
  },
  {
    name: 'roster-no-script',
    javaScript: false,
    show: async ({ server, page, go }) => {
      await recordRosterRequest(server.db, 'grace@example.org');
      await go('/admin/roster');
      await page.fill('#csv', 'ada@example.org;Ada Lovelace;A;vegetarian');
      await page.click('form[aria-labelledby="upload"] button[type="submit"]');
      await page.click('text=Replace the list');
      await page.locator('.alert-success').waitFor();
    },
  },
  {
    name: 'roster-wrong',
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/roster');
      await page.fill('#csv', 'nobody');
      await page.click('form[aria-labelledby="upload"] button[type="submit"]');
      await page.locator('#errors').waitFor();
    },
  },
  { name: 'settings', show: ({ go }) => go('/admin/settings') },
  { name: 'settings-no-script', javaScript: false, show: ({ go }) => go('/admin/settings') },
  {
    name: 'settings-scheduled-code',
    show: async ({ server, go }) => {
      const body = {
        join: 'code',
        opens_at: '2099-03-01T09:00:00Z',
        closes_at: '2099-03-01T17:00:00Z',
      } as const;
      await server.admin.PATCH('/api/v1/settings', { body });
      await go('/admin/settings?done=code');
    },
  },
  {
    name: 'settings-closed',
    show: async ({ page, go }) => {
      await go('/admin/settings');
      await page.locator('[popovertarget="confirm-close"]').first().click();
      await page.click('#confirm-close button[type="submit"]');
      await page.locator('.alert-success').waitFor();
    },
  },
  {
    name: 'settings-wrong',
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/settings');
      await page.fill('#title', 'x'.repeat(121));
      await page.click('form[aria-labelledby="settings"] button[type="submit"]');
      await page.locator('#errors').waitFor();
    },
  },
  { name: 'admin-no-script', javaScript: false, show: filled('/admin') },
  { name: 'instances', show: filled('/admin/instances') },
  {
    name: 'instances-no-script',
    javaScript: false,
    show: filled('/admin/instances?show=attention&sort=-status'),
  },
  {
    name: 'instances-page-no-script',
    javaScript: false,
    show: async ({ server, go }) => {
      await insertFreeVms(server.db, vmNames(60));
      await go('/admin/instances?page=2');
    },
  },
  { name: 'instances-none', show: filled('/admin/instances?q=nobody') },
  { name: 'vm', show: filled(machine(1)) },
  { name: 'vm-free', show: filled(machine(5)) },
  { name: 'vm-done', show: filled(`${machine(9)}?done=restart`) },
  { name: 'vm-no-script', javaScript: false, show: filled(machine(3)) },
  {
    name: 'vm-broken',
    show: async (stage) => {
      await filled(machine(3))(stage);
      await stage.page.getByText('Show PIN').click();
      await stage.page.getByRole('button', { name: /^Release machine…/ }).click();
    },
  },
  {
    name: 'vm-refused',
    status: 409,
    show: async (stage) => {
      await filled(machine(3))(stage);
      await stage.server.db.updateTable('vms').set({ status: 'error' }).execute();
      await stage.page.getByRole('button', { name: /^Assign another machine…/ }).click();
      await stage.page.getByRole('dialog').getByRole('button', { name: 'Assign another machine' }).click();
      await stage.page.getByText('Nothing was changed').first().waitFor();
    },
  },
  { name: 'instances-empty', show: ({ go }) => go('/admin/instances') },
  { name: 'create-instances', show: ({ go }) => go('/admin/create') },
  { name: 'delete-instances', show: seeded('/admin/instances/delete') },
  { name: 'delete-instances-empty', show: ({ go }) => go('/admin/instances/delete') },
  { name: 'instance-logs', show: seeded('/admin/logs/lablink-vm-prod-1') },
  { name: 'instance-logs-empty', show: seeded('/admin/logs/lablink-vm-prod-2') },
  {
    name: 'instance-logs-long',
    show: async ({ server, page, go }) => {
      await seedLab(server.db);
      await sql`insert into vm_logs (hostname, line) select 'lablink-vm-prod-1', case when i % 40 = 0
        then 'ERROR: pulling layer ' || i || ' failed: connection reset by peer; it is tried again'
        else 'container: step ' || i || ' of 900, downloading and unpacking what the image consists of' end
        from generate_series(1, 900) as i`.execute(server.db);
      await go('/admin/logs/lablink-vm-prod-1');
      await page.getByText('step 899 of 900').waitFor();
    },
  },
  {
    name: 'instance-logs-errors-only',
    show: async ({ server, page, go }) => {
      await seedLab(server.db);
      await sql`insert into vm_logs (hostname, line) select 'lablink-vm-prod-1', case when i % 10 = 0
        then 'ERROR: step ' || i || ' failed' else 'step ' || i || ' is done' end
        from generate_series(1, 100) as i`.execute(server.db);
      await go('/admin/logs/lablink-vm-prod-1');
      await page.getByLabel('Errors only').check();
      await page.getByText('ERROR: step 100 failed').waitFor();
    },
  },
  { name: 'vm-recycling', show: seeded(`/admin/vms/${RECYCLING}`) },
  {
    name: 'instances-thousand',
    isLong: true,
    show: async ({ server, page, go }) => {
      await insertFreeVms(server.db, vmNames(1_000));
      await go('/admin/instances');
      await page.locator('tbody tr').nth(999).waitFor({ state: 'attached' });
    },
  },
  downloads('none', []),
  downloads('running', [
    { ...download, hostname: 'lablink-vm-prod-1', state: 'searching', vms_searched: 0, vms: 1 },
    { ...download, state: 'sending', vms_done: 2, files: 412, bytes: 1_900_000_000 },
  ]),
  downloads('ended', [
    {
      ...download,
      state: 'failed',
      ended_at: '2026-01-31T09:02:00Z',
      message:
        'No machine could be searched for files. lablink-vm-prod-1: the machine cannot be reached by SSH.',
    },
    {
      ...download,
      state: 'done',
      ended_at: '2026-01-31T09:05:00Z',
      vms_done: 6,
      vms_failed: 1,
      files: 1_204,
      bytes: 4_100_000_000,
    },
    {
      ...download,
      state: 'abandoned',
      ended_at: '2026-01-31T09:05:00Z',
      vms_done: 1,
      files: 3,
      bytes: 40_000,
    },
  ]),
  { name: 'error-unknown-machine', status: 404, show: ({ go }) => go('/admin/logs/ghost') },
  {
    name: 'docs',
    // Swagger UI brings its own markup, a second `main` among it.
    foreign: { selector: '#swagger-ui', rules: ['landmark-no-duplicate-main', 'landmark-unique'] },
    show: async ({ page, go }) => {
      await go('/docs');
      await page.locator('#swagger-ui .opblock').first().waitFor();
    },
  },
];

// The organiser's page of notifications, state by state.
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { Screen, Stage } from './screen.ts';

/** Three recipients, one of them paused, and what was sent, is being tried and has failed. */
async function fillNotifications({ db }: Stage['server']): Promise<void> {
  await sql`insert into notification_recipients (id, kind, address, sealed_secret, events, paused_at, added_by) values
    (gen_random_uuid(), 'email', 'ada.lovelace@example.org', null, '{launch_failed,machine_failed,end_soon}', null, 'admin'),
    (gen_random_uuid(), 'email', 'grace@example.org', null, '{backup_failed}', now(), 'admin'),
    (gen_random_uuid(), 'webhook', 'https://hooks.example.org/services/T0000000/B0000000/a-rather-long-path-of-a-chat', 'sealed', '{people_waiting}', null, 'admin')`.execute(
    db,
  );
  await sql`with added as (
      insert into notifications (key, event, data, at)
      select event, event, '{}', now() - make_interval(mins => age)
      from (values ('people_waiting', 3), ('machine_failed', 12), ('launch_finished', 70)) as past (event, age) returning id, event
    ) insert into notification_deliveries (notification_id, recipient_id, status, tries, next_try_at, problem)
    select added.id, r.id,
      case event when 'people_waiting' then 'waiting' when 'machine_failed' then 'failed' else 'sent' end,
      case event when 'people_waiting' then 2 when 'machine_failed' then 5 else 1 end, now() + interval '1 hour',
      case event when 'launch_finished' then null else 'The webhook answered 500.' end
    from added cross join notification_recipients r where r.paused_at is null`.execute(db);
}

export const notificationScreens: readonly Screen[] = [
  {
    name: 'notifications',
    show: async ({ server, go }) => {
      await fillNotifications(server);
      await go('/admin/notifications');
    },
  },
  {
    name: 'notifications-secret',
    show: async ({ page, go }) => {
      await go('/admin/notifications');
      await page.getByLabel('Webhook', { exact: true }).check();
      await page.getByLabel('Address').fill('https://hooks.example.org/lablink');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await expect.poll(() => page.getByText('whsec_').count()).toBeGreaterThan(0);
    },
  },
  { name: 'notifications-gone', show: ({ go }) => go('/admin/notifications?done=gone') },
  {
    name: 'notifications-secret-error',
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/notifications');
      await page.getByLabel('Webhook', { exact: true }).check();
      await page.getByLabel('Address').fill('https://hooks.example.org/lablink');
      await page.getByLabel('Signing secret of a webhook').fill('hunter2');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await expect.poll(() => page.locator('#errors').count()).toBe(1);
    },
  },
  {
    name: 'notifications-error',
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/notifications');
      await page.getByLabel('Address').fill('not an address');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await expect.poll(() => page.locator('#errors').count()).toBe(1);
    },
  },
];

// The page of the schedule, and the overview with what is planned.
import { sql } from 'kysely';
import { fillLab } from '../support/workshop-rows.ts';
import type { Screen, Stage } from './screen.ts';

/** One entry of each kind: to come in a gap of daylight saving, missed, and one whose download was not complete. */
async function fillSchedule({ db }: Stage['server']): Promise<void> {
  await sql`insert into schedule (id, kind, num_vms, hours, download, state, wall_time, zone, due_at, scheduled_by, problem, kept, archives, retry_at, attempts)
    values
      (gen_random_uuid(), 'launch', 40, 10, false, 'pending', '2099-03-29T02:30', 'Europe/Berlin', '2099-03-29T01:00:00Z', 'ada', null, '{}', '{}', null, 0),
      (gen_random_uuid(), 'launch', 5, null, false, 'missed', '2026-03-02T08:00', 'Europe/Berlin', '2026-03-02T07:00:00Z', 'ada',
        'The server was not running at its time, and came back more than 30 minutes later: nothing was launched. Run it now, or cancel it.', '{}', '{}', null, 0),
      (gen_random_uuid(), 'destroy', null, null, true, 'pending', '2026-03-01T18:00', 'America/New_York', '2026-03-01T23:00:00Z', 'admin',
        'Kept, because the work on them was not downloaded: lablink-vm-prod-5. lablink-vm-prod-5: The machine cannot be reached.',
        '{lablink-vm-prod-5}', '{/srv/lablink/backups/lablink-lab-prod-work-20260301T230000Z.zip}', now() + interval '9 minutes', 1),
      (gen_random_uuid(), 'launch', 12, 8, false, 'skipped', '2099-04-01T08:00', 'UTC', '2099-04-01T08:00:00Z', 'admin', null, '{}', '{}', null, 0),
      (gen_random_uuid(), 'launch', 3, 8, false, 'done', '2026-02-01T08:00', 'UTC', '2026-02-01T08:00:00Z', 'admin', null, '{}', '{}', null, 0)`.execute(
    db,
  );
}

export const scheduleScreens: readonly Screen[] = [
  {
    name: 'schedule',
    onFleet: true,
    show: async ({ fleet, go }) => {
      await fillSchedule(fleet.server);
      await go('/admin/schedule');
    },
  },
  { name: 'schedule-empty', onFleet: true, javaScript: false, show: ({ go }) => go('/admin/schedule') },
  {
    name: 'schedule-ended',
    onFleet: true,
    show: async ({ fleet, go }) => {
      await fillSchedule(fleet.server);
      const done = fleet.server.db.selectFrom('schedule').select('id').where('state', '=', 'done');
      const { id } = await done.executeTakeFirstOrThrow();
      await go(`/admin/schedule?change=${id}`);
    },
  },
  {
    name: 'schedule-wrong',
    onFleet: true,
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/schedule');
      await page.fill('#time', '2020-01-01T08:00');
      await page.fill('#zone', 'Berlin');
      await page.click('#plan button[type="submit"]');
      await page.locator('#errors').waitFor();
    },
  },
  {
    name: 'admin-schedule',
    show: async ({ server, go }) => {
      await fillLab(server.db);
      await fillSchedule(server);
      await go('/admin');
    },
  },
];

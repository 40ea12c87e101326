// The pages of launching, destroying, the end and the cost, state by state; before a server whose machines are scripted.
import { sql } from 'kysely';
import { fail } from '../../src/result.ts';
import { renderCreateInstances } from '../../src/pages/launch.ts';
import { sampleStates } from '../../src/db/history.ts';
import { fillLab } from '../support/workshop-rows.ts';
import type { FleetServer } from '../support/fleet-server.ts';
import { giveVm } from '../support/rows.ts';
import type { Screen, Stage } from './screen.ts';

type Show = (stage: Stage & { readonly fleet: FleetServer }) => Promise<void>;

/** On the server with scripted machines. */
const screen = (name: string, show: Show, more: Partial<Screen> = {}): Screen => ({
  name,
  ...more,
  onFleet: true,
  show: (stage) => show(stage),
});

const people = ['ada', 'grace', 'joan', 'mary', 'katherine'].map((name) => `${name}@example.org`);

/** So many machines that are there, and up; the first are somebody's. */
async function launched(fleet: FleetServer, count: number, taken = 0): Promise<string> {
  const { id } = await fleet.launch(count);
  await fleet.idle();
  await sql`update vms set status = 'running' where operation_id = ${id}`.execute(fleet.server.db);
  for (const email of people.slice(0, taken)) await giveVm(fleet.server.db, email);
  return id;
}

/** A launch of six that stands still after three. */
async function halfWay(fleet: FleetServer): Promise<string> {
  fleet.provider.script.holdAfter = 3;
  const { id } = await fleet.launch(6);
  return id;
}

const text = async ({ page }: Stage, what: string): Promise<void> => {
  await page.getByText(what).first().waitFor();
};

const operation = (id: string): string => `/admin/operations/${id}`;

export const fleetScreens: readonly Screen[] = [
  screen('launch', ({ go }) => go('/admin/create')),
  screen('waiting-list-launch', async ({ fleet, go }) => {
    await launched(fleet, 2, 2);
    await sql`insert into waiting_list (id, email, code) select gen_random_uuid(), name || '@example.org', '271828'
      from unnest(array['ada', 'bob', 'eve']) as name`.execute(fleet.server.db);
    await go('/admin/waiting-list');
  }),
  screen('launch-suggested', ({ go }) => go('/admin/create?participants=40')),
  screen('launch-with-plan', async ({ page, go }) => {
    await page.route('**/admin/create', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: launchPage });
    });
    await go('/admin/create');
  }),
  screen('launch-not-ready', async ({ fleet, go }) => {
    fleet.provider.script.readiness = fail({
      code: 'program',
      message: 'Pulumi is not installed.',
      remedy: 'Run `make setup-aws`, then load this page again.',
    });
    await go('/admin/create');
  }),
  screen('launch-while-one-runs', async ({ fleet, go }) => {
    await halfWay(fleet);
    await go('/admin/create');
  }),
  screen('launch-refused', async (stage) => {
    await stage.go('/admin/create');
    await stage.page.evaluate(`document.querySelector('#num-vms').removeAttribute('max')`);
    await stage.page.fill('#num-vms', '101');
    await stage.page.getByRole('button', { name: 'Launch' }).click();
    await text(stage, 'at most 100 at a time');
  }),
  screen('run-running', async (stage) => {
    const id = await halfWay(stage.fleet);
    await stage.go(operation(id));
    await text(stage, '3 of 6 machines created.');
  }),
  screen(
    'run-queued',
    async ({ fleet, page, go }) => {
      const { db } = fleet.server;
      const id = await launched(fleet, 2);
      const change = (status: 'queued' | 'succeeded') =>
        sql`update operations set status = ${status}, done = 0, total = 0,
          ended_at = case when ${status} = 'succeeded' then now() end where id = ${id}`.execute(db);
      // It loads itself again every few seconds, which is no page to look at.
      await page.route(`**${operation(id)}`, async (route) => {
        const response = await route.fetch();
        const body = (await response.text()).replace(
          /<noscript><meta http-equiv="refresh"[^>]*><\/noscript>/,
          '',
        );
        await route.fulfill({ response, body });
      });
      await change('queued');
      await go(operation(id));
      // No worker has it: the next screen would wait for its end.
      await change('succeeded');
    },
    { javaScript: false },
  ),
  screen('run-cancelling', async (stage) => {
    stage.fleet.provider.script.stopsOn = 'force';
    await stage.go(operation(await halfWay(stage.fleet)));
    await stage.page.getByRole('button', { name: 'Cancel operation' }).click();
    await text(stage, 'Cancelling: steps in progress');
  }),
  screen('run-partly-failed', async ({ fleet, go }) => {
    fleet.provider.script.failing = new Map([
      ['lab-vm-prod-2', 'There is no capacity for this type right now.'],
    ]);
    await go(operation(await launched(fleet, 3)));
  }),
  screen('run-cancelled', async (stage) => {
    const id = await halfWay(stage.fleet);
    await stage.fleet.post(`/api/v1/operations/${id}/cancel`);
    await stage.fleet.idle();
    await stage.go(operation(id));
  }),
  screen('run-succeeded', async ({ fleet, go }) => {
    await go(operation(await launched(fleet, 4, 2)));
  }),
  screen(
    'run-no-script',
    async ({ fleet, go }) => {
      await go(operation(await halfWay(fleet)));
    },
    { javaScript: false },
  ),
  screen('destroy', async ({ fleet, go }) => {
    await launched(fleet, 5, 3);
    await go('/admin/instances/delete');
  }),
  screen('destroy-refused', async (stage) => {
    await launched(stage.fleet, 2, 1);
    await stage.go('/admin/instances/delete');
    await stage.page.getByLabel('To confirm').fill('something else');
    await stage.page.getByLabel('To confirm').press('Enter');
    await text(stage, 'Nothing was destroyed');
  }),
  screen('destroy-nothing', ({ go }) => go('/admin/instances/delete')),
  screen('run-destroying', async (stage) => {
    await launched(stage.fleet, 4);
    stage.fleet.provider.script.holdAfter = 2;
    await stage.fleet.post('/destroy', { confirm: 'lab' });
    await stage.go(operation((await stage.fleet.newest()).id));
    await text(stage, '2 machines are left.');
  }),
  screen('run-destroyed', async (stage) => {
    await launched(stage.fleet, 3);
    await stage.fleet.post('/destroy', { confirm: 'lab' });
    await stage.fleet.idle();
    await stage.go(operation((await stage.fleet.newest()).id));
    await text(stage, 'Verified.');
  }),
  screen('operations', async ({ fleet, go }) => {
    await launched(fleet, 2);
    fleet.provider.script.failing = new Map([['lab-vm-prod-3', 'There is no capacity.']]);
    await launched(fleet, 2);
    await fleet.post('/destroy', { confirm: 'lab' });
    await fleet.idle();
    await halfWay(fleet);
    await go('/admin/operations');
  }),
  screen('operations-none', ({ go }) => go('/admin/operations')),
  screen('end-and-cost-none', ({ go }) => go('/admin/fleet')),
  screen('end-and-cost', async ({ fleet, go }) => {
    await launched(fleet, 4);
    await sql`update vm_hours set created_at = created_at - interval '3 hours'`.execute(fleet.server.db);
    await sql`update vms set shutdown_at = now() + interval '5 hours 12 minutes'`.execute(fleet.server.db);
    await go('/admin/fleet');
  }),
  screen('end-and-cost-problems', async ({ fleet, go }) => {
    await launched(fleet, 4);
    await troubled(fleet);
    await go('/admin/fleet');
  }),
  screen('end-and-cost-moved', async (stage) => {
    await launched(stage.fleet, 2);
    await stage.go('/admin/fleet');
    await stage.page.getByRole('button', { name: 'Change shutdown time' }).click();
    await stage.page.getByRole('status').first().waitFor();
  }),
  screen('admin-launched', async ({ fleet, go }) => {
    await fillLab(fleet.server.db);
    await launched(fleet, 4);
    await sql`update vms set shutdown_at = now() + interval '5 hours 12 minutes' where provider <> 'external'`.execute(
      fleet.server.db,
    );
    await halfWay(fleet);
    await go('/admin');
  }),
  screen('charts-none', ({ go }) => go('/admin/charts')),
  screen('charts', async ({ fleet, page, go }) => {
    await history(fleet);
    await go('/admin/charts');
    await page.locator('[data-plot] canvas').nth(2).waitFor();
  }),
  screen(
    'charts-no-script',
    async ({ fleet, go }) => {
      await history(fleet);
      await go('/admin/charts?hours=1');
    },
    { javaScript: false },
  ),
];

/** One past its end, one that could not be told, a machine that nobody knows, and a row without a machine. */
async function troubled({ server, provider }: FleetServer): Promise<void> {
  await sql`update vms set shutdown_at = now() - interval '2 hours' where hostname = 'lab-vm-prod-1'`.execute(
    server.db,
  );
  await sql`update vms set requested_shutdown_at = now() + interval '6 hours', shutdown_error = 'SSH does not answer at 127.0.0.1:2222.'
    where hostname = 'lab-vm-prod-2'`.execute(server.db);
  const [known] = provider.machines.values();
  if (known) provider.machines.set('orphan', { ...known, id: 'i-0a1b2c3d4e5f60718', operationId: null });
  provider.machines.delete('lab-vm-prod-4');
}

async function history(fleet: FleetServer): Promise<void> {
  const { db } = fleet.server;
  await launched(fleet, 12);
  await sql`insert into vm_timings (hostname, provisioning_seconds, cloud_init_seconds, container_seconds)
    select hostname, 25 + length(hostname) * 2, 40 + ascii(right(hostname, 1)) % 7 * 6, 8 from vms
    on conflict (hostname) do update set cloud_init_seconds = excluded.cloud_init_seconds,
      container_seconds = excluded.container_seconds, provisioning_seconds = excluded.provisioning_seconds`.execute(
    db,
  );
  await sampleStates(db);
  for (const email of people) {
    await giveVm(db, email);
    await sampleStates(db);
  }
  // As if it had gone on for four hours.
  await sql`update vm_state_samples set at = now() - make_interval(mins => (240 - id % 8 * 30)::int)`.execute(
    db,
  );
  await sql`update assignment_changes set at = now() - make_interval(mins => (200 - id % 6 * 30)::int)`.execute(
    db,
  );
}

/** The form with what a launch costs, which needs a cloud. */
const launchPage = renderCreateInstances({
  maxVms: 100,
  notReady: null,
  running: null,
  error: null,
  numVms: '44',
  hours: '8',
  defaultHours: 8,
  canaryAbove: 5,
  people: { typed: '40', count: 40 },
  plan: {
    machineType: 'g4dn.xlarge',
    pricePerHourUsd: 0.526,
    pricedAt: '2025-06-01',
    neededVcpusPerVm: 4,
    quotaVcpus: 256,
    usedVcpus: 32,
  },
});

// The admin's pages, state by state.
import { fillLab, labHostname } from '../support/admin-lab.ts';
import { seedLab } from '../support/seed.ts';
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

export const adminScreens: readonly Screen[] = [
  { name: 'admin', show: seeded('/admin') },
  { name: 'admin-empty', show: ({ go }) => go('/admin') },
  { name: 'admin-workshop', show: filled('/admin') },
  { name: 'admin-no-script', javaScript: false, show: filled('/admin') },
  { name: 'instances', show: filled('/admin/instances') },
  {
    name: 'instances-no-script',
    javaScript: false,
    show: filled('/admin/instances?show=attention&sort=-status'),
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
      for (const summary of await stage.page.locator('summary').all()) await summary.click();
    },
  },
  {
    name: 'vm-refused',
    status: 409,
    show: async (stage) => {
      await filled(machine(3))(stage);
      await stage.server.db.updateTable('vms').set({ status: 'error' }).execute();
      await stage.page.locator('summary', { hasText: 'Give another machine' }).click();
      await stage.page.getByRole('button', { name: 'Yes, do it: Give another machine' }).click();
      await stage.page.getByText('Nothing was changed').waitFor();
    },
  },
  { name: 'instances-empty', show: ({ go }) => go('/admin/instances') },
  { name: 'create-instances', show: ({ go }) => go('/admin/create') },
  { name: 'delete-instances', show: seeded('/admin/instances/delete') },
  { name: 'delete-instances-empty', show: ({ go }) => go('/admin/instances/delete') },
  { name: 'instance-logs', show: seeded('/admin/logs/lablink-vm-prod-1') },
  { name: 'instance-logs-empty', show: seeded('/admin/logs/lablink-vm-prod-2') },
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

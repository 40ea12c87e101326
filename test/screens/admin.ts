// The admin's pages, state by state.
import { seedLab } from '../support/seed.ts';
import type { Screen, Stage } from './screen.ts';

const seeded =
  (path: string) =>
  async ({ server, go }: Stage): Promise<void> => {
    await seedLab(server.db);
    await go(path);
  };

export const adminScreens: readonly Screen[] = [
  { name: 'admin', show: seeded('/admin') },
  { name: 'admin-empty', show: ({ go }) => go('/admin') },
  { name: 'instances', show: seeded('/admin/instances') },
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

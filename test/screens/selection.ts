// The pages of actions on several machines.
import type { BulkAction } from '../../src/vms/selected.ts';
import { fillLab } from '../support/workshop-rows.ts';
import type { Screen, Stage } from './screen.ts';

/** The page that asks before an action on several machines. */
const selected =
  (action: BulkAction, which: string) =>
  async ({ server, page, go }: Stage): Promise<void> => {
    await fillLab(server.db);
    await go('/admin/instances');
    await page.locator('#which').selectOption(which);
    await page.locator(`#bulk button[value="${action}"]`).click();
    await page.waitForURL('**/preview');
  };

export const selectionScreens: readonly Screen[] = [
  { name: 'selected-release', show: selected('release', 'assigned') },
  { name: 'selected-restart', show: selected('restart', 'all') },
  // With scripts, the buttons are off while nothing is ticked.
  { name: 'selected-none', javaScript: false, status: 400, show: selected('destroy', 'listed') },
];

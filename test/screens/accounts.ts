// The pages of accounts and of the audit.
import { expect } from 'vitest';
import { recordAuditEvent } from '../../src/db/audit.ts';
import type { Screen, Stage } from './screen.ts';

const LONG_NAME = 'a.person.with.a.rather.long.name@department.university.example';

/** One of each role, one of them disabled. */
async function addAccounts({ db }: Stage['server']): Promise<void> {
  const common = { password_hash: 'none', created_by: 'admin', changed_by: 'admin' };
  await db
    .insertInto('accounts')
    .values([
      { ...common, name: 'grace', role: 'admin', last_used_at: new Date() },
      { ...common, name: LONG_NAME, role: 'instructor', disabled_at: new Date() },
    ])
    .execute();
}

async function addEvents({ db }: Stage['server']): Promise<void> {
  await recordAuditEvent(db, {
    who: LONG_NAME,
    what: 'release',
    hostname: 'vm-1',
    detail: 'ada@example.org',
  });
  await recordAuditEvent(db, { who: 'admin', what: 'settings', detail: '<b>title</b>' });
}

export const accountScreens: readonly Screen[] = [
  { name: 'accounts-none', show: ({ go }) => go('/admin/accounts') },
  {
    name: 'accounts',
    show: async ({ server, go }) => {
      await addAccounts(server);
      await go('/admin/accounts?done=added');
    },
  },
  {
    name: 'accounts-error',
    status: 400,
    show: async ({ page, go }) => {
      await go('/admin/accounts');
      await page.locator('#name').fill('two words');
      await page.locator('#password').fill('aaaaaaaaaaaa');
      await page.getByRole('button', { name: 'Add account' }).click();
      await expect.poll(() => page.locator('#errors').count()).toBe(1);
    },
  },
  {
    name: 'accounts-password-error',
    status: 400,
    show: async ({ server, page, go }) => {
      await addAccounts(server);
      await go('/admin/accounts');
      await page.getByRole('button', { name: 'New password…: grace' }).click();
      await page.locator('#new-grace').fill('grace and others');
      await page.locator('#password-grace button[type=submit]').click();
      await expect.poll(() => page.locator('#errors').count()).toBe(1);
    },
  },
  { name: 'accounts-gone', show: ({ go }) => go('/admin/accounts?done=gone') },
  { name: 'account', show: ({ go }) => go('/admin/account') },
  {
    name: 'audit',
    show: async ({ server, go }) => {
      await addEvents(server);
      await go('/admin/audit');
    },
  },
  { name: 'audit-none', show: ({ go }) => go('/admin/audit?target=nothing') },
];

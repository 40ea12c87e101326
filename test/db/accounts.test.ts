// The table of accounts: its bound, and that what changes nothing is not recorded.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { addAccount, changeAccount, listAccounts } from '../../src/db/accounts.ts';
import { createTestDatabase } from '../support/postgres.ts';

test('there are at most 200 accounts, also when several are added at once', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await sql`insert into accounts (name, role, password_hash, created_by, changed_by)
    select 'person-' || n, 'instructor', 'hash', 'admin', 'admin' from generate_series(1, 198) n`.execute(db);
  const add = (name: string) => addAccount(db, { name, role: 'instructor', hash: 'hash', by: 'admin' });
  const answers = await Promise.all(['ada', 'bob', 'eve', 'ida'].map(add));
  expect(answers.toSorted()).toEqual(['added', 'added', 'full', 'full']);
  expect(await listAccounts(db)).toHaveLength(200);
});

test('a change that changes nothing is not recorded', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await addAccount(db, { name: 'Ada', role: 'instructor', hash: 'hash', by: 'admin' });
  const change = (given: Parameters<typeof changeAccount>[2]) =>
    changeAccount(db, { name: 'ada', by: 'grace' }, given);
  for (const given of [{ kind: 'role', role: 'instructor' }, { kind: 'enable' }] as const)
    await change(given);
  expect(await listAccounts(db)).toMatchObject([{ changedBy: 'admin' }]);
  for (const given of [{ kind: 'disable' }, { kind: 'disable' }] as const) await change(given);
  const audit = await db.selectFrom('audit_events').select(['who', 'what', 'detail']).orderBy('id').execute();
  expect(audit).toEqual([
    { who: 'admin', what: 'account-add', detail: 'Ada: instructor' },
    { who: 'grace', what: 'account-disable', detail: 'Ada' },
  ]);
  expect(await listAccounts(db)).toMatchObject([{ changedBy: 'grace' }]);
});

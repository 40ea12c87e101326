import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { preparedClaim } from '../../src/db/claim.ts';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames } from '../support/rows.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await createTestDatabase();
  db = connectDatabase({
    connectionString: database.connectionString,
    // One, so that all statements meet the same prepared ones.
    poolSize: 1,
    applicationName: 'prepared',
    onIdleError: () => undefined,
    prepared: preparedClaim,
  });
});
afterAll(async () => {
  await db.destroy();
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await db.deleteFrom('vms').execute();
});

async function preparedStatements(): Promise<unknown[]> {
  const { rows } =
    await sql`select name, generic_plans + custom_plans as runs from pg_prepared_statements`.execute(db);
  return rows;
}

test('the claim is prepared once and runs again with new parameters', async () => {
  await insertFreeVms(db, vmNames(2));
  const first = await giveVm(db, 'ada@x.org', { pin: '111111' });
  const second = await giveVm(db, 'bob@x.org', { pin: '222222' });
  expect([first.pin, second.pin]).toEqual(['111111', '222222']);
  expect(first.hostname).not.toBe(second.hostname);
  expect(await preparedStatements()).toEqual([{ name: 'claim', runs: 2 }]);
});

test('a prepared claim still works after the table was altered', async () => {
  await insertFreeVms(db, vmNames(2));
  await giveVm(db, 'ada@x.org');
  await sql`alter table vms add column later text`.execute(db);
  const { hostname } = await giveVm(db, 'bob@x.org');
  expect(vmNames(2)).toContain(hostname);
});

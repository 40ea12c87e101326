import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { preparedClaim } from '../../src/db/claim.ts';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { databaseProblem } from '../../src/db/errors.ts';
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

const backend = async (): Promise<number> =>
  (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid ?? 0;

test.each([
  ['a migration changed a type that it returns', 'alter table assignments alter column pin type varchar(12)'],
  ['the server forgot it, as a pooler makes it do', 'deallocate all'],
])('a prepared claim runs again where %s, and the connection is replaced', async (_, change) => {
  await insertFreeVms(db, vmNames(3));
  await giveVm(db, 'ada@x.org');
  const before = await backend();
  await sql.raw(change).execute(db);
  for (const email of ['bob@x.org', 'cy@x.org'])
    expect(vmNames(3)).toContain((await giveVm(db, email)).hostname);
  expect(await backend()).not.toBe(before);
});

test('a claim whose name another program has taken on the connection runs without it', async () => {
  await insertFreeVms(db, vmNames(1));
  // A new connection, which has prepared nothing yet.
  await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db).catch(() => undefined);
  const before = await vi.waitFor(backend);
  await sql.raw('prepare claim as select 1').execute(db);
  expect((await giveVm(db, 'ada@x.org')).hostname).toBe(vmNames(1)[0]);
  expect(await backend()).not.toBe(before);
});

test('a connection that takes no writes is replaced, and the error is an outage', async () => {
  const before = await backend();
  await sql`set default_transaction_read_only = on`.execute(db);
  const failure: unknown = await insertFreeVms(db, vmNames(1)).then(
    () => null,
    (error: unknown) => error,
  );
  expect(databaseProblem(failure)?.code).toBe('database_unavailable');
  await insertFreeVms(db, vmNames(1));
  expect(await backend()).not.toBe(before);
});

test.each([
  '25006',
  '57P05',
  '28P01',
  '28000',
  '3D000',
  '25P03',
  '26000',
  '42P05',
  '58030',
  '57P01',
  '08006',
])('the error %s of Postgres is an outage, not a fault of the server', (code) => {
  const error = Object.assign(new Error('from Postgres'), { code });
  expect(databaseProblem(error)?.code).toBe('database_unavailable');
});

import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { databaseProblem } from '../../src/db/errors.ts';
import { reportHeartbeat } from '../../src/db/reports.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

test('a report during the deletion of its VM is answered like one of an unknown VM, or has to be repeated; it is no internal error', async () => {
  await insertFreeVms(database.db, ['a']);
  const told = await database.db.transaction().execute(async (trx) => {
    await trx.deleteFrom('vms').execute();
    const report = reportHeartbeat(database.db, 'a', {
      bootId: 'boot-1',
      address: '10.0.0.5',
      freeDiskBytes: 1,
    }).catch((error: unknown) => databaseProblem(error)?.code);
    await vi.waitFor(async () => {
      const waiting = sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
      expect((await waiting).rows).toHaveLength(1);
    });
    return { report };
  });
  // The second, where its group has not waited for the end of the deletion.
  expect(['unknown_vm', 'overloaded']).toContain(await told.report);
  expect(
    await reportHeartbeat(database.db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: 1 }),
  ).toBe('unknown_vm');
});

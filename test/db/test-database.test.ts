import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpRows } from '../support/dump-rows.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { seedLab } from '../support/example-rows.ts';
import { createTestDatabase, withAdmin, type TestDatabase } from '../support/postgres.ts';

describe('a test database', () => {
  let shared: TestDatabase;
  beforeAll(async () => {
    shared = await createTestDatabase();
  });
  afterAll(() => shared[Symbol.asyncDispose]());

  test('a test database is migrated and has no rows', async () => {
    expect(await shared.db.selectFrom('vms').selectAll().execute()).toEqual([]);
  });

  test('an empty test database has no tables', async () => {
    await using empty = await createTestDatabase('empty');
    await expect(empty.db.selectFrom('vms').selectAll().execute()).rejects.toThrow('does not exist');
  });

  test('the tables of a test database are emptied, without triggers, and count from 1 again', async () => {
    await using database = await createTestDatabase();
    const { db } = database;
    const kept = await dumpRows(db);
    for (let round = 0; round < 2; round++) {
      await seedLab(db);
      const [line] = await db.selectFrom('vm_logs').select('id').orderBy('id').limit(1).execute();
      expect(line?.id).toBe(1);
      expect(await dumpRows(db)).not.toEqual(kept);
      await emptyTables(db);
      expect(await dumpRows(db)).toEqual(kept);
    }
  });

  test('a test database is dropped after the test', async () => {
    const name = await (async () => {
      await using database = await createTestDatabase();
      return new URL(database.connectionString).pathname.slice(1);
    })();
    const { rows } = await withAdmin((admin) =>
      admin.query('select 1 from pg_database where datname = $1', [name]),
    );
    expect(rows).toEqual([]);
  });

  test('a test database with an open connection fails its test and is dropped', async () => {
    const database = await createTestDatabase();
    const forgotten = new Client({
      connectionString: database.connectionString,
      application_name: 'forgotten',
    });
    const ended = new Promise((resolve) => forgotten.on('error', resolve));
    await forgotten.connect();
    await expect(database[Symbol.asyncDispose]()).rejects.toThrow('Left open by the test');
    await expect(ended).resolves.toMatchObject({ message: expect.stringContaining('terminat') as string });
  });
});

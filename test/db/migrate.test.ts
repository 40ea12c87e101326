import { readFile, writeFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { rowTypesFile } from '../../codegen/rows.ts';
import { connectDatabase } from '../../src/db/connect.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { describeSchema } from '../support/describe-schema.ts';
import { createTestDatabase } from '../support/postgres.ts';

const next = {
  name: '9999-next',
  migration: {
    up: (db: Parameters<typeof migrateToLatest>[0]) =>
      sql`create table next ()`.execute(db).then(() => undefined),
  },
};

describe('migrating', () => {
  test('several processes that migrate at once apply each migration once', async () => {
    await using database = await createTestDatabase('empty');
    const processes = Array.from({ length: 4 }, () =>
      connectDatabase({
        connectionString: database.connectionString,
        poolSize: 2,
        applicationName: 'process',
        onIdleError: () => undefined,
      }),
    );
    const results = await Promise.all(processes.map((db) => migrateToLatest(db)));
    await Promise.all(processes.map((db) => db.destroy()));
    expect(results.every(({ ok }) => ok)).toBe(true);
    const applied = results.flatMap((result) => (result.ok ? result.value : []));
    expect(applied).toEqual(migrations.map(({ name }) => name));
  });

  test('a schema with a newer breaking migration is rejected, with a remedy', async () => {
    await using database = await createTestDatabase();
    await migrateToLatest(database.db, [...migrations, { ...next, breaking: true }]);
    expect(await migrateToLatest(database.db)).toEqual({
      ok: false,
      failure: {
        code: 'schema_too_new',
        message: expect.stringContaining('9999-next') as string,
        remedy: expect.stringContaining('newer version') as string,
      },
    });
  });

  test('a schema with a newer compatible migration is accepted', async () => {
    await using database = await createTestDatabase();
    await migrateToLatest(database.db, [...migrations, { ...next, breaking: false }]);
    expect(await migrateToLatest(database.db)).toEqual({ ok: true, value: [] });
  });

  test('a failed migration changes nothing and can be repeated', async () => {
    await using database = await createTestDatabase();
    const failing = {
      ...next,
      breaking: true,
      migration: {
        up: async (db: Parameters<typeof migrateToLatest>[0]) => {
          await sql`create table half_done ()`.execute(db);
          throw new Error('no luck');
        },
      },
    };
    await expect(migrateToLatest(database.db, [...migrations, failing])).rejects.toThrow('no luck');
    const { rows } = await sql<{
      found: string | null;
    }>`select to_regclass('half_done')::text as found`.execute(database.db);
    expect(rows).toEqual([{ found: null }]);
    expect(await migrateToLatest(database.db, [...migrations, { ...next, breaking: true }])).toEqual({
      ok: true,
      value: ['9999-next'],
    });
  });
});

describe('the migrated schema', () => {
  test('the migrated schema equals test/golden/schema.txt (UPDATE_GOLDEN=1 rewrites it)', async () => {
    await using database = await createTestDatabase();
    const golden = new URL('../golden/schema.txt', import.meta.url);
    const schema = await describeSchema(database.db);
    if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(golden, schema);
    expect(schema).toBe(await readFile(golden, 'utf8'));
  });

  test('the row types match the migrated schema (`make codegen` rewrites them)', async () => {
    await using database = await createTestDatabase();
    const { path, text } = await rowTypesFile(database.connectionString);
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});

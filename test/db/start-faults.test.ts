// Faults of the database at start: each is a problem and a remedy, and nothing stays open.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { AppContext } from '../../src/app/context.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { createLog } from '../../src/log.ts';
import { migrateOnly, startAllocator } from '../../src/app.ts';
import { createTestDatabase, withAdmin, type TestDatabase } from '../support/postgres.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { requirePart } from '../support/required.ts';

let dataDir = '';
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'lablink-test-'));
});
afterAll(() => rm(dataDir, { recursive: true }));

function contextFor(url: string, more: Record<string, string> = {}): AppContext {
  const env = { PORT: '0', DATA_DIR: dataDir, DATABASE_URL: url, PROVIDER: 'external', ...more };
  const loaded = loadConfig({ env, readFile: () => undefined, cwd: dataDir });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.failure));
  return {
    config: loaded.value.config,
    env: process.env,
    platform: thisPlatform(),
    self: { pid: process.pid, host: 'test' },
    log: createLog({ level: 'silent', destination: { write: () => undefined } }),
    say: () => undefined,
  };
}

/** The sentences of a start that fails. */
async function failureOf(url: string, more: Record<string, string> = {}): Promise<string> {
  const started = await startAllocator(contextFor(url, more));
  if (!started.ok) return `${started.failure.message} ${started.failure.remedy}`;
  await started.value.stop('the test is over');
  return 'started';
}

describe('a database that does not let the allocator in', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase('empty');
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test('a user that may create no table is told what to grant', async () => {
    const url = new URL(database.connectionString);
    await withAdmin(async (admin) => {
      await admin.query(`create role poor login password 'poor-password'`);
    });
    try {
      [url.username, url.password] = ['poor', 'poor-password'];
      const told = await failureOf(url.href);
      expect(told).toContain('permission denied for schema public');
      expect(told).toContain('grant usage, create on schema public');
    } finally {
      await withAdmin((admin) => admin.query('drop role poor'));
    }
  });

  test('a database that takes no writes is told as such', async () => {
    const name = new URL(database.connectionString).pathname.slice(1);
    await withAdmin((admin) => admin.query(`alter database ${name} set default_transaction_read_only = on`));
    const told = await failureOf(database.connectionString);
    expect(told).toContain('The database takes no writes');
    expect(told).toContain('primary');
    await withAdmin((admin) => admin.query(`alter database ${name} reset default_transaction_read_only`));
  });

  test('a database that does not exist, and a wrong password, are told with their remedies', async () => {
    const url = new URL(database.connectionString);
    url.pathname = 'nowhere';
    expect(await failureOf(url.href)).toContain('There is no such database');
    const other = new URL(database.connectionString);
    other.password = 'wrong';
    expect(await failureOf(other.href)).toContain('The database rejected the password');
  });
});

test('a migration waits for another allocator longer than statements may take', async () => {
  await using database = await createTestDatabase('empty');
  const other = new Client({ connectionString: database.connectionString });
  await other.connect();
  await other.query('select pg_advisory_lock(7236001)');
  const migrated = migrateOnly(contextFor(database.connectionString));
  // Statements of requests are cancelled after 15 s.
  const waiting = `select count(*)::int as count from pg_stat_activity
    where datname = $1 and wait_event_type = 'Lock' and now() - query_start > interval '15.5 s'`;
  const name = new URL(database.connectionString).pathname.slice(1);
  await expect
    .poll(async () => (await withAdmin((admin) => admin.query<{ count: number }>(waiting, [name]))).rows[0], {
      timeout: 25_000,
      interval: 500,
    })
    .toEqual({ count: 1 });
  await other.end();
  expect(await migrated).toEqual({ ok: true, value: undefined });
}, 60_000);

const bouncer = requirePart('PgBouncer', hasPgBouncer, 'Install it (Debian: `pgbouncer`).');

describe.skipIf(!bouncer)('PgBouncer', () => {
  const ignored = ['extra_float_digits', 'statement_timeout'];

  test.each([
    ['with its default parameters', []],
    ['that ignores parameters', ignored],
  ])('in transaction mode, %s, is refused at start and keeps no lock', async (_which, parameters) => {
    await using database = await createTestDatabase();
    await using pooler = await startPgBouncer(database.connectionString, 'transaction', parameters);
    const told = await failureOf(pooler.connectionString);
    expect(told).toContain('DATABASE_URL leads to a pooler in transaction mode');
    expect(told).toContain('set DATABASE_DIRECT_URL to the address of Postgres itself');
    const twice = await failureOf(pooler.connectionString, { DATABASE_DIRECT_URL: pooler.connectionString });
    expect(twice).toContain('DATABASE_DIRECT_URL leads to a pooler in transaction mode');
    const locks = `select count(*)::int as count from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`;
    const client = new Client({ connectionString: database.connectionString });
    await client.connect();
    expect((await client.query(locks)).rows).toEqual([{ count: 0 }]);
    await client.end();
  });

  test.each([
    ['with its default parameters', []],
    ['that ignores parameters', ignored],
  ])('in session mode, %s, is as good as Postgres', async (_which, parameters) => {
    await using database = await createTestDatabase();
    await using pooler = await startPgBouncer(database.connectionString, 'session', parameters);
    expect(await failureOf(pooler.connectionString)).toBe('started');
  });

  test('with a direct address of another database, or one that does not answer, the start names the variable', async () => {
    await using database = await createTestDatabase();
    await using other = await createTestDatabase('empty');
    await using pooler = await startPgBouncer(database.connectionString, 'transaction');
    const told = await failureOf(pooler.connectionString, { DATABASE_DIRECT_URL: other.connectionString });
    expect(told).toContain('DATABASE_URL and DATABASE_DIRECT_URL lead to different databases');
    // It was found before anything was written there.
    const { rows } = await sql`select from pg_tables where schemaname = 'public'`.execute(other.db);
    expect(rows).toEqual([]);
    const nowhere = new URL(database.connectionString);
    nowhere.port = '1';
    const away = await failureOf(pooler.connectionString, { DATABASE_DIRECT_URL: nowhere.href });
    expect(away).toContain('DATABASE_DIRECT_URL');
    expect(away).not.toContain('DATABASE_URL');
  });
});

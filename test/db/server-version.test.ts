// A Postgres that is too old is refused before anything is changed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { OLDEST_POSTGRES } from '../../src/db/server-version.ts';
import { temporaryFolder } from '../support/backups.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';
import { RELEASED } from '../support/released-backup.ts';
import { startTestServer } from '../support/server.ts';

const TOO_OLD = `Postgres ${OLDEST_POSTGRES - 1}.23, which is too old: the allocator needs ${OLDEST_POSTGRES} or newer`;

/** New sessions of this database see another version of the server, because theirs comes first. */
async function pretendVersion({ connectionString, db }: TestDatabase, major: number): Promise<void> {
  const name = new URL(connectionString).pathname.slice(1);
  await sql`create schema stub`.execute(db);
  await sql
    .raw(
      `create function stub.current_setting(name text) returns text language sql as
       $$ select case name when 'server_version_num' then '${major}0023' when 'server_version' then '${major}.23'
          else pg_catalog.current_setting(name) end $$`,
    )
    .execute(db);
  await sql.raw(`alter database ${name} set search_path = stub, public, pg_catalog`).execute(db);
}

test('a server that is older than the oldest supported Postgres is refused at the start', async () => {
  await using database = await createTestDatabase('empty');
  await pretendVersion(database, OLDEST_POSTGRES - 1);
  await expect(startTestServer({}, {}, database)).rejects.toThrow(TOO_OLD);
  expect(await dumpRows(database.db).catch(() => 'no table')).toBe('no table');
});

test('a restore into a server that is too old is refused, and says why', async () => {
  await using database = await createTestDatabase('empty');
  await pretendVersion(database, OLDEST_POSTGRES - 1);
  const dataDir = join(await temporaryFolder(), 'data');
  const program = startProgram(['restore', RELEASED.address], {
    ...{ DATA_DIR: dataDir, DATABASE_URL: database.connectionString, PROVIDER: 'external' },
    BACKUP_PASSPHRASE: RELEASED.passphrase,
  });
  expect(await program.ended).toBe(1);
  expect(program.output()).toContain(TOO_OLD);
});

test('the oldest supported Postgres is not refused, and the documentation names it', async () => {
  await using database = await createTestDatabase('empty');
  await pretendVersion(database, OLDEST_POSTGRES);
  await using server = await startTestServer({}, {}, database);
  expect((await server.client.GET('/api/health')).response.status).toBe(200);
  const operations = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  expect(operations).toContain(`(${OLDEST_POSTGRES} or newer`);
});

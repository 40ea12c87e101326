// What a backup contains, and that a restore brings all of it back, or changes nothing.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { backupSource } from '../../src/app/backup-source.ts';
import { readArchive, wholeOf, writeArchive, type ArchiveEntry } from '../../src/backup/archive.ts';
import { checkFinished, markUnfinished } from '../../src/backup/files.ts';
import { DUMPED_TABLES } from '../../src/db/dump/tables.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { migrations } from '../../src/db/migrations/list.ts';
import { backUp, PASSPHRASE, restoreInto, sourceOf, temporaryFolder } from '../support/backups.ts';
import { describeSchema } from '../support/describe-schema.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { seedLab } from '../support/example-rows.ts';
import { good } from '../support/load-config.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const SECRETS = {
  'secret-key': 'k'.repeat(43),
  'admin-password': 'a password',
  'deployment-uid': 'a-uid-of-22-characters',
  'log-forwarder-token': 'a token',
  'pulumi-passphrase': 'a passphrase',
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

/** More than age authenticates at once. */
const END_BYTES = 100_000;

async function* withOtherRows(address: string): AsyncGenerator<ArchiveEntry> {
  for await (const entry of readArchive(createReadStream(address), PASSPHRASE)) {
    const { data } = await wholeOf(entry);
    const at = Buffer.from(data).indexOf('quoted');
    if (entry.name.startsWith('rows/vm_logs/') && at >= 0) data[at] = 'x'.charCodeAt(0);
    yield { name: entry.name, data: [data] };
  }
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

  test('has the secrets that the configuration sets, which win over those of the folder', async () => {
    await using database = await createTestDatabase();
    await using empty = await createTestDatabase('empty');
    const folder = await temporaryFolder();
    const dataDir = join(folder, 'old');
    await writeFiles(dataDir, SECRETS);
    const { config } = good({
      SECRET_KEY: 'configured-key-0123456789-abcdefghijklmn',
      PULUMI_CONFIG_PASSPHRASE: 'a "configured" passphrase',
    });
    const { connectionString } = database;
    const { address } = await backUp(backupSource({ config }, { dataDir, connectionString }), folder);
    const target = { database: empty, dataDir: join(folder, 'new') };
    expect(await restoreInto(target, address)).toMatchObject({ ok: true });
    for (const [path, text] of Object.entries({
      ...SECRETS,
      'secret-key': `${config.secretKey ?? ''}\n`,
      'pulumi-passphrase': `${config.pulumi.passphrase ?? ''}\n`,
    }))
      expect(await readFile(join(target.dataDir, path), 'utf8'), path).toBe(text);
  });

  test('restores by a user who is no superuser, as those of a server of your own are', async () => {
    await using database = await seeded();
    await using empty = await createTestDatabase('empty');
    const url = new URL(empty.connectionString);
    const role = `restorer_${url.pathname.slice(1)}`;
    await sql.raw(`create role ${role} login password 'secret'`).execute(database.db);
    await sql.raw(`alter database ${url.pathname.slice(1)} owner to ${role}`).execute(database.db);
    Object.assign(url, { username: role, password: 'secret' });
    const folder = await temporaryFolder();
    const { address } = await backUp(sourceOf(database, join(folder, 'old')), folder);
    const target = { database: { ...empty, connectionString: url.href }, dataDir: join(folder, 'new') };
    expect(await restoreInto(target, address)).toMatchObject({ ok: true });
    const { vm_logs: lines, vm_events: events } = await rowsOf(database);
    expect(await rowsOf(empty)).toMatchObject({ vm_logs: lines, vm_events: events });
    expect(await describeSchema(empty.db)).toBe(await describeSchema(database.db));
    await sql.raw(`reassign owned by ${role} to current_user`).execute(empty.db);
    await sql.raw(`drop owned by ${role}`).execute(empty.db);
    await sql.raw(`drop role ${role}`).execute(empty.db);
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

  test('has in binary form only columns whose binary form is the same in every major of Postgres', async () => {
    await using database = await createTestDatabase();
    const binary = [...DUMPED_TABLES].flatMap(([name, format]) => (format === 'binary' ? [name] : []));
    const { rows } = await sql<{ type: string }>`
      select distinct data_type::text as type from information_schema.columns
      where table_schema = current_schema() and table_name = any(${binary}) order by 1`.execute(database.db);
    expect(rows.map(({ type }) => type)).toEqual(['bigint', 'text', 'timestamp with time zone']);
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

describe('a restore is refused and changes nothing', () => {
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
    for (const [what, { content, passphrase = PASSPHRASE, code }] of Object.entries(bad)) {
      let opened = 0;
      const path = join(folder, `${what.replaceAll(' ', '-')}.tar.zst.age`);
      await writeFile(path, content);
      const target = { database: empty, dataDir: join(folder, 'new') };
      const restoring = restoreInto(target, path, { passphrase, onOpen: () => (opened += 1) });
      await expect(restoring, what).rejects.toMatchObject({ failure: { code } });
      if (code === 'not_opened') expect(opened, what).toBe(0);
      expect(await readdir(target.dataDir).catch(() => []), what).toEqual([]);
    }
    expect(await dumpRows(empty.db).catch(() => 'no table')).toBe('no table');
  });

  test('where its rows are not those that were backed up, and nothing starts meanwhile', async () => {
    await using database = await seeded();
    await using empty = await createTestDatabase('empty');
    await sql`update vm_logs set line = md5(random()::text) where line like 'line %'`.execute(database.db);
    const folder = await temporaryFolder();
    const dataDir = join(folder, 'new');
    const { address } = await backUp(sourceOf(database, join(folder, 'old')), folder);
    const altered = join(folder, 'altered');
    await writeArchive(withOtherRows(address), PASSPHRASE, createWriteStream(altered));
    const through = async function* (input: AsyncIterable<Buffer>) {
      const whole = Buffer.concat(await Array.fromAsync(input));
      yield whole.subarray(0, -END_BYTES);
      const unfinished = { failure: { code: 'restore_unfinished' } };
      await expect.poll(() => checkFinished(dataDir), { timeout: 20_000 }).toMatchObject(unfinished);
      yield whole.subarray(-END_BYTES);
    };
    const isRefused = {
      failure: { message: expect.stringContaining('the checksum of vm_logs') as string },
    };
    const restoring = restoreInto({ database: empty, dataDir }, altered, { through });
    await expect(restoring).rejects.toMatchObject(isRefused);
    expect(await readdir(dataDir)).toEqual([]);
    expect(await dumpRows(empty.db).catch(() => 'no table')).toBe('no table');
    // A folder in which a restore was cut short after it had written files is not ready either.
    await markUnfinished(dataDir);
    await expect(restoreInto({ database: empty, dataDir }, altered)).rejects.toMatchObject(isRefused);
    expect(await checkFinished(dataDir)).toMatchObject({ ok: false });
    expect(await restoreInto({ database: empty, dataDir }, address)).toMatchObject({ ok: true });
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

// Backups at intervals: once among the allocators of a database, in a folder or a bucket, and what is kept of them.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { backupChecks } from '../../src/app/backup-health.ts';
import { startBackupSchedule, type BackupSchedule } from '../../src/backup/schedule.ts';
import { readBackupAgeSeconds, readBackupState } from '../../src/db/backups.ts';
import { PASSPHRASE, restoreInto, sourceOf, temporaryFolder } from '../support/backups.ts';
import { motoIsThere, startMoto } from '../support/moto.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const EVERY_HOURS = 6;
const log = { info: () => undefined, warn: () => undefined };

/** The name of a backup has the time in seconds: each that an allocator asks for is another one. */
let laterMs = 0;

async function scheduleOn(database: TestDatabase, place: string, keep = 10): Promise<BackupSchedule> {
  const dataDir = await temporaryFolder();
  const schedule = startBackupSchedule({
    db: database.db,
    source: sourceOf(database, dataDir),
    passphrase: PASSPHRASE,
    place,
    everyHours: EVERY_HOURS,
    keep,
    now: () => new Date(Date.now() + (laterMs += 1_000)),
    log,
    lookMs: 3_600_000,
  });
  onTestFinished(() => schedule.close());
  return schedule;
}

async function age({ db }: TestDatabase, hours: number): Promise<void> {
  await sql`update backups set at = at - make_interval(hours => ${hours})`.execute(db);
}

const health = ({ db }: TestDatabase): Promise<string | null> | undefined =>
  backupChecks(
    { everyHours: EVERY_HOURS, place: '', keep: 1, passphrase: PASSPHRASE, beforeUpgrade: true },
    db,
  )[0]?.check();

describe('backups at intervals', { timeout: 60_000 }, () => {
  test('two allocators make each backup once, when it is due, and keep as many as they should', async () => {
    await using database = await createTestDatabase();
    const place = await temporaryFolder();
    await writeFile(join(place, 'something-else.txt'), 'not ours');
    const [one, two] = [await scheduleOn(database, place, 1), await scheduleOn(database, place, 1)];
    const backups = async () => (await readdir(place)).filter((name) => name.endsWith('.age'));
    await Promise.all([one.look(), two.look()]);
    expect(await backups()).toHaveLength(1);
    expect(await readBackupAgeSeconds(database.db)).toBeLessThan(60);
    expect(await health(database)).toBeNull();
    await age(database, EVERY_HOURS - 1);
    await Promise.all([one.look(), two.look()]);
    const [first = ''] = await backups();
    await age(database, 1);
    await Promise.all([one.look(), two.look()]);
    const left = await backups();
    expect(left).toHaveLength(1);
    expect(left).not.toContain(first);
    expect(await readdir(place)).toHaveLength(2);
    await age(database, 3 * EVERY_HOURS);
    expect(await health(database)).toContain('18 hours old');
  });

  test('one that fails is tried again later, and health says why', async () => {
    await using database = await createTestDatabase();
    const folder = await temporaryFolder();
    const place = join(folder, 'taken');
    await writeFile(place, 'a file where a folder should be');
    const schedule = await scheduleOn(database, place);
    await schedule.look();
    expect(await health(database)).toMatch(/The last scheduled backup failed\. .*taken/);
    expect((await readBackupState(database.db)).last).toBeNull();
    await schedule.look();
    const attempts = database.db.selectFrom('backups').select('problem');
    expect(await attempts.execute()).toHaveLength(1);
    await age(database, 1);
    await schedule.look();
    expect(await attempts.execute()).toHaveLength(2);
  });

  test.skipIf(!motoIsThere())('go into a bucket, and come back from it', async () => {
    await using moto = await startMoto();
    for (const [name, value] of Object.entries(moto.env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const s3 = new S3Client({ forcePathStyle: true });
    onTestFinished(() => s3.destroy());
    await using database = await createTestDatabase();
    await using empty = await createTestDatabase('empty');
    const schedule = await scheduleOn(database, 's3://lab-backups/of/mine');
    await schedule.look();
    expect(await health(database)).toMatch(/failed.*s3:\/\/lab-backups/);
    await s3.send(new CreateBucketCommand({ Bucket: 'lab-backups' }));
    await age(database, 1);
    await schedule.look();
    expect(await health(database)).toBeNull();
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'lab-backups' }));
    const address = (await readBackupState(database.db)).last?.place ?? '';
    expect(Contents.map(({ Key = '' }) => `s3://lab-backups/${Key}`)).toEqual([address]);
    const target = { database: empty, dataDir: await temporaryFolder() };
    expect(await restoreInto(target, address)).toMatchObject({ ok: true });
  });
});

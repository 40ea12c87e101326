// Backups of test databases.
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { backupName, makeBackup, type MadeBackup } from '../../src/backup/make.ts';
import { openPlace, splitAddress } from '../../src/backup/place.ts';
import { restoreBackup, type Restored } from '../../src/backup/restore.ts';
import type { BackupSource } from '../../src/backup/write.ts';
import type { Result } from '../../src/result.ts';
import type { TestDatabase } from './postgres.ts';

export const PASSPHRASE = 'five random words of mine';
const DEPLOYMENT = { name: 'lablink', environment: 'prod' };

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-backup-'));
  // The user of Postgres may pass, as in a data folder.
  await chmod(folder, 0o711);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function sourceOf(database: TestDatabase, dataDir: string): BackupSource {
  const { connectionString } = database;
  return { connectionString, dataDir, configured: {}, deployment: DEPLOYMENT, version: '0.0.0' };
}

/** Throws if it fails. */
export async function backUp(source: BackupSource, place: string): Promise<MadeBackup> {
  const name = backupName(DEPLOYMENT, new Date('2026-01-31T12:00:00Z'));
  const made = await makeBackup({ source, passphrase: PASSPHRASE, place, name });
  if (!made.ok) throw new Error(`${made.failure.message} ${made.failure.remedy}`);
  return made.value;
}

type Target = { readonly database: TestDatabase; readonly dataDir: string };

/** The target, which is created where it is missing, is only opened when the backup could be. */
export async function restoreInto(
  { database, dataDir }: Target,
  address: string,
  { passphrase = PASSPHRASE, secretKey, onOpen, through }: RestoreParts = {},
): Promise<Result<Restored>> {
  const { place, name } = splitAddress(address);
  const input = await (await openPlace(place)).read(name);
  return restoreBackup({
    input: through ? Readable.from(through(input), { objectMode: false }) : input,
    passphrase,
    secretKey,
    deployment: DEPLOYMENT,
    say: () => undefined,
    openTarget: async () => {
      onOpen?.();
      await mkdir(dataDir, { recursive: true });
      return {
        dataDir,
        connect: () => Promise.resolve({ connectionString: database.connectionString }),
      };
    },
  });
}

type RestoreParts = {
  readonly passphrase?: string;
  readonly secretKey?: string;
  readonly onOpen?: () => void;
  readonly through?: (input: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
};

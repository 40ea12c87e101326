// Makes one backup and puts it in its place. Everything that it needs can be sent to another thread.
import { DatabaseError } from 'pg';
import { databaseStartFailure } from '../db/start-failure.ts';
import { fail, succeed, type Result } from '../result.ts';
import { BackupFault } from './fault.ts';
import { alreadyThere, EXTENSION, openPlace } from './place.ts';
import { writeBackup, type BackupSource } from './write.ts';

export type BackupJob = {
  readonly source: BackupSource;
  readonly passphrase: string;
  /** A folder, or s3://bucket/prefix. */
  readonly place: string;
  readonly name: string;
};

export type MadeBackup = {
  /** What the backup contains is the database at this time. */
  readonly at: Date;
  readonly bytes: number;
  readonly address: string;
};

/** Sorts by time. */
export function backupName({ name, environment }: BackupSource['deployment'], now: Date, label = ''): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${prefixOf({ name, environment })}${time}${label}${EXTENSION}`;
}

function prefixOf({ name, environment }: BackupSource['deployment']): string {
  return `lablink-${name}-${environment}-`;
}

export async function makeBackup(job: BackupJob): Promise<Result<MadeBackup>> {
  try {
    const place = await openPlace(job.place);
    const address = place.addressOf(job.name);
    if ((await place.list()).includes(job.name)) throw alreadyThere(address);
    let at = new Date(0);
    const bytes = await place.put(job.name, async (out) => {
      const written = await writeBackup(job.source, job.passphrase, out);
      if (!written.ok) throw new BackupFault(written.failure);
      at = written.value;
    });
    return succeed({ at, bytes, address });
  } catch (error) {
    return fail(failureOf(error, job.place));
  }
}

/** Removes all but the newest `keep` of this deployment's scheduled backups. Returns the names of those that are gone. */
export async function pruneBackups(
  place: string,
  deployment: BackupSource['deployment'],
  keep: number,
): Promise<readonly string[]> {
  const opened = await openPlace(place);
  const prefix = prefixOf(deployment);
  const time = /^\d{8}T\d{6}Z$/;
  const names = (await opened.list()).filter(
    (name) =>
      name.startsWith(prefix) &&
      name.endsWith(EXTENSION) &&
      time.test(name.slice(prefix.length, -EXTENSION.length)),
  );
  const old = names.sort().slice(0, -keep);
  for (const name of old) await opened.remove(name);
  return old;
}

/** Of whatever was thrown: a backup that fails is no bug of the allocator. */
export function failureOf(error: unknown, place: string) {
  if (error instanceof BackupFault) return error.failure;
  if (error instanceof DatabaseError) {
    const failure = databaseStartFailure(error);
    if (failure !== null) return failure;
  }
  const said = error instanceof Error ? error.message : String(error);
  return {
    code: 'backup_failed',
    message: `The backup could not be written to or read from ${place}: ${said}.`,
    remedy: 'Check that the place exists, has room, and belongs to the user of the allocator.',
  };
}

// The record of backups: which were made, and how old the last one is.
import { sql } from 'kysely';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Db } from './connect.ts';

type BackupKind = 'scheduled' | 'command' | 'upgrade';

/** An attempt. */
export type BackupRecord = {
  readonly kind: BackupKind;
  /** A path, or the address of an object. */
  readonly place: string;
} & (
  | { readonly at: Date; readonly bytes: number }
  /** What went wrong, for the admin. */
  | { readonly problem: string }
);

const READ_MS = 2_000;
/** Older records are removed. */
const RECORDS_KEPT = 1_000;

export async function recordBackup(db: Db, record: BackupRecord): Promise<void> {
  await db.insertInto('backups').values(record).execute();
  await sql`delete from backups where id <= (select max(id) from backups) - ${RECORDS_KEPT}::bigint`.execute(
    db,
  );
}

export type BackupState = {
  /** The newest backup that succeeded; null = none did. */
  readonly last: { readonly place: string; readonly bytes: number; readonly ageSeconds: number } | null;
  /** The newest scheduled one that succeeded, by the clock of the database; null = none did. */
  readonly scheduledAgeSeconds: number | null;
  /** Why the newest scheduled attempt failed; null = it succeeded. */
  readonly problem: string | null;
  /** Since the newest scheduled attempt, whatever became of it. */
  readonly attemptAgeSeconds: number | null;
};

export async function readBackupState(db: Db): Promise<BackupState> {
  const { rows } = await sql<{
    place: string | null;
    bytes: number | null;
    age: number | null;
    scheduled: number | null;
    problem: string | null;
    attempt: number | null;
  }>`select last.place, last.bytes, extract(epoch from now() - last.at)::float8 as age,
      (select extract(epoch from now() - max(at))::float8 from backups
       where kind = 'scheduled' and problem is null) as scheduled,
      attempt.problem, extract(epoch from now() - attempt.at)::float8 as attempt
    from (values (1)) as one
    left join lateral (select * from backups where problem is null order by at desc limit 1) as last on true
    left join lateral (select * from backups where kind = 'scheduled' order by id desc limit 1) as attempt on true`.execute(
    db,
  );
  const [row] = rows;
  if (!row) throw new Error('the state of the backups was not read');
  const { place, bytes, age } = row;
  return {
    last: place === null || bytes === null || age === null ? null : { place, bytes, ageSeconds: age },
    scheduledAgeSeconds: row.scheduled,
    problem: row.problem,
    attemptAgeSeconds: row.attempt,
  };
}

/** For health and metrics: null while the database is away, of which another check tells. */
export function tryReadBackupState(db: Db): Promise<BackupState | null> {
  return withTimeLimit(
    READ_MS,
    () => readBackupState(db).catch(() => null),
    () => null,
  );
}

/** Of the newest backup that succeeded, for metrics; null = there is none. */
export async function readBackupAgeSeconds(db: Db): Promise<number | null> {
  return (await tryReadBackupState(db))?.last?.ageSeconds ?? null;
}

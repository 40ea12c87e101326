// Backups at intervals: by one of the allocators that share a database, whichever is first.
import { Client } from 'pg';
import { sleep } from '../async/abort.ts';
import { readBackupState, recordBackup } from '../db/backups.ts';
import type { Db } from '../db/connect.ts';
import { describeFailure } from '../result.ts';
import type { Log } from '../log.ts';
import { makeBackupInThread } from './in-thread.ts';
import { backupName, failureOf, pruneBackups } from './make.ts';
import type { BackupSource } from './write.ts';

export type ScheduleOptions = {
  readonly db: Db;
  readonly source: BackupSource;
  readonly passphrase: string;
  readonly place: string;
  readonly everyHours: number;
  readonly keep: number;
  readonly now: () => Date;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Between two looks at the clock. */
  readonly lookMs?: number;
};

export type BackupSchedule = {
  /** Makes a backup if one is due. Never rejects. */
  readonly look: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const LOOK_MS = 60_000;
/** After a failure. */
const RETRY_SECONDS = 900;
const HOUR_SECONDS = 3_600;
/** Held by who makes a backup; another constant than those of db/lock-session.ts and db/migrate.ts. */
const LOCK = 7_236_003;
const CONNECT_MS = 10_000;

export function startBackupSchedule(options: ScheduleOptions): BackupSchedule {
  const { log, lookMs = LOOK_MS } = options;
  const stopping = new AbortController();
  let looking: Promise<void> = Promise.resolve();
  const look = (): Promise<void> => {
    looking = looking
      .then(() => makeWhereDue(options, stopping.signal))
      .catch((error: unknown) => log.warn({ err: error }, 'An error while looking whether a backup is due.'));
    return looking;
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look();
      await sleep(lookMs, stopping.signal);
    }
  };
  const running = run();
  return {
    look,
    close: async () => {
      stopping.abort();
      await running;
      await looking;
    },
  };
}

async function makeWhereDue(options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  if (signal.aborted || !(await isDue(options))) return;
  await underLock(options.source.connectionString, async () => {
    // Another allocator may have made it in the meantime.
    if (await isDue(options)) await make(options, signal);
  });
}

async function isDue({ db, everyHours }: ScheduleOptions): Promise<boolean> {
  const { scheduledAgeSeconds, problem, attemptAgeSeconds } = await readBackupState(db);
  if (problem !== null && attemptAgeSeconds !== null && attemptAgeSeconds < RETRY_SECONDS) return false;
  return scheduledAgeSeconds === null || scheduledAgeSeconds >= everyHours * HOUR_SECONDS;
}

async function make(options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  const { db, source, passphrase, place, keep, now, log } = options;
  const name = backupName(source.deployment, now());
  const made = await makeBackupInThread({ source, passphrase, place, name }, signal);
  if (!made.ok) {
    if (signal.aborted) return;
    log.warn({ code: made.failure.code }, `The scheduled backup failed. ${describeFailure(made.failure)}`);
    await recordBackup(db, { kind: 'scheduled', place, problem: describeFailure(made.failure) });
    return;
  }
  const { at, bytes, address } = made.value;
  await recordBackup(db, { kind: 'scheduled', place: address, at, bytes });
  log.info({ place: address, bytes }, 'A backup was made.');
  try {
    const removed = await pruneBackups(place, source.deployment, keep);
    if (removed.length > 0) log.info({ removed }, 'Old backups were removed.');
  } catch (error) {
    log.warn({ err: error }, `Old backups stay. ${describeFailure(failureOf(error, place))}`);
  }
}

/** Does nothing where another session holds the lock, which ends with it. */
async function underLock(connectionString: string, work: () => Promise<void>): Promise<void> {
  const client = new Client({
    connectionString,
    application_name: 'lablink backup lock',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('set idle_session_timeout = 0');
    const { rows } = await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [LOCK]);
    if (rows[0]?.got === true) await work();
  } finally {
    await client.end();
  }
}

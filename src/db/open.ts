// Opens the database: the embedded server or one of yours, the deployment lock, the pool and the schema. Each step registers
// its close with the lifecycle.
import type { Lifecycle } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import { fail, succeed, type Failed, type Result } from '../result.ts';
import { preparedClaim } from './claim.ts';
import { connectDatabase, type Db } from './connect.ts';
import { acquireDeploymentLock, describeHolder, type LockMode } from './deployment-lock.ts';
import type { Platform } from './embedded/platform.ts';
import { startOwnedPostgres } from './embedded/own.ts';
import { migrateToLatest, type MigrateResult } from './migrate.ts';
import { checkSessionIsKept } from './pooler.ts';
import { databaseStartFailure } from './start-failure.ts';

export type OpenOptions = {
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  /** An address of Postgres, or null for the embedded one. */
  readonly url: string | null;
  readonly dataDir: string;
  readonly poolSize: number;
  /** `exclusive` unless several allocators were configured to share a server of yours. */
  readonly mode: LockMode;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: Platform;
  readonly self: { readonly pid: number; readonly host: string };
  /** Another allocator has the database now: stop serving. */
  readonly onTaken: (who: string) => void;
};

export type OpenDatabase = {
  readonly db: Db;
  readonly connectionString: string;
  /** Sentences for the person who starts the allocator. */
  readonly notes: readonly string[];
};

/** Opens the database and brings its schema up to date. Expected failures are returned with a remedy. */
export async function openDatabase(options: OpenOptions): Promise<Result<OpenDatabase>> {
  const server =
    options.url === null ? await openEmbedded(options) : await openExternal(options, options.url);
  if (!server.ok) return server;
  const db = await options.lifecycle.acquire(
    'database pool',
    () =>
      connectDatabase({
        connectionString: server.value.connectionString,
        poolSize: options.poolSize,
        applicationName: 'lablink',
        prepared: preparedClaim,
        onIdleError: (error) => options.log.warn({ err: error }, 'An idle database connection was lost.'),
        onRefusal: ({ hostname, event, state }) =>
          options.log.warn({ hostname, event, vmStatus: state }, 'An event of a machine was refused.'),
      }),
    (pool) => pool.destroy(),
  );
  const migrated = await migrate(options, server.value.connectionString);
  if (!migrated.ok) return migrated;
  if (migrated.value.length > 0)
    options.log.info({ migrations: migrated.value }, 'The schema was brought up to date.');
  return succeed({ ...server.value, db });
}

/** On a connection of its own: another allocator may migrate for long, and so may a migration of large tables. */
async function migrate({ log }: OpenOptions, connectionString: string): Promise<MigrateResult> {
  const db = connectDatabase({
    connectionString,
    poolSize: 1,
    applicationName: 'lablink migrations',
    unlimited: true,
    onIdleError: (error) => log.warn({ err: error }, 'The connection for migrations was lost.'),
  });
  try {
    return await migrateToLatest(db);
  } finally {
    await db.destroy();
  }
}

type Server = { readonly connectionString: string; readonly notes: readonly string[] };

async function openEmbedded(options: OpenOptions): Promise<Result<Server>> {
  const { lifecycle, log } = options;
  const started = await lifecycle.acquire(
    'embedded Postgres',
    () =>
      startOwnedPostgres({
        ...options,
        log: (line) => log.info({}, line),
        onTaken: (holder) => options.onTaken(describeHolder(holder)),
      }),
    async (result) => {
      if (result.ok) await result.value.stop();
    },
  );
  if (!started.ok) return started;
  const { connectionString, notes } = started.value;
  return succeed({ connectionString, notes });
}

async function openExternal(options: OpenOptions, url: string): Promise<Result<Server>> {
  const { lifecycle, log, mode } = options;
  // Before a lock is acquired: a pooler would keep it after the allocator has ended.
  const kept = await checkSessionIsKept(url).catch((error: unknown) => unreachable(error));
  if (!kept.ok) return kept;
  const locked = await lifecycle.acquire(
    'deployment lock',
    () =>
      acquireDeploymentLock({
        ...options,
        connectionString: url,
        log: (line) => log.info({}, line),
        onTaken: (holder) => options.onTaken(describeHolder(holder)),
      }),
    async (result) => {
      if (result.ok) await result.value.release();
    },
  );
  if (locked.ok) return succeed({ connectionString: url, notes: [] });
  if (locked.failure.code === 'unreachable') return unreachable(locked.failure.error);
  const message = `Another allocator (${describeHolder(locked.failure.holder)}) is using this database${mode === 'exclusive' ? ', or this one is not configured to share it' : ''}.`;
  return fail({
    code: 'in_use',
    message,
    remedy:
      'Stop it first, or name another database. Several allocators may share one if they have a common SECRET_KEY and their provider keeps nothing on one computer (docs/aws.md: PULUMI_BACKEND_URL on s3://).',
  });
}

function unreachable(error: unknown): Failed {
  const failure = databaseStartFailure(error);
  if (failure === null) throw error;
  return fail(failure);
}

// Opens the database: the embedded server or one of yours, the deployment lock, the pool and the schema. Each step registers
// its close with the lifecycle.
import { sql } from 'kysely';
import type { Lifecycle } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import { fail, succeed, type Failed, type Result } from '../result.ts';
import { preparedClaim } from './claim.ts';
import { connectDatabase, type Db } from './connect.ts';
import { acquireDeploymentLock, describeHolder } from './deployment-lock.ts';
import type { Settings } from './embedded/paths.ts';
import type { Platform } from './embedded/platform.ts';
import { startOwnedPostgres } from './embedded/own.ts';
import { migrateToLatest, type BeforeMigrating, type MigrateResult } from './migrate.ts';
import { checkSameDatabase, checkSessionIsKept, type UrlVariable } from './pooler.ts';
import { checkServerVersion } from './server-version.ts';
import { connectShares, type Shares } from './shares.ts';
import { databaseStartFailure } from './start-failure.ts';

export type OpenOptions = {
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  /** An address of Postgres, or null for the embedded one. */
  readonly url: string | null;
  /** Past a pooler in transaction mode, where `url` leads to one. */
  readonly directUrl: string | null;
  readonly dataDir: string;
  readonly poolSize: number;
  /** Why this allocator cannot share the database with others: the end of a sentence. Null = it can. */
  readonly whyAlone: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: Platform;
  readonly self: { readonly pid: number; readonly host: string };
  /** Of the embedded server, on top of its defaults. */
  readonly settings?: Settings;
  /** Another allocator has the database now: stop serving. */
  readonly onTaken: (who: string) => void;
  /** Before the schema of a database that is in use is changed. @param connectionString as in `OpenDatabase` */
  readonly beforeMigrating?: (
    connectionString: string,
    ...missing: Parameters<BeforeMigrating>
  ) => Promise<Result>;
};

export type OpenDatabase = {
  /** For all but the requests of people and machines. */
  readonly db: Db;
  readonly shares: Shares;
  /** Of Postgres itself, for what needs a session: never of a pooler in transaction mode. */
  readonly connectionString: string;
  /** Sentences for the person who starts the allocator. */
  readonly notes: readonly string[];
};

/** Opens the database and brings its schema up to date. Expected failures are returned with a remedy. */
export async function openDatabase(options: OpenOptions): Promise<Result<OpenDatabase>> {
  const { url, directUrl } = options;
  const server = await openServer(options);
  if (!server.ok) return server;
  const { connectionString, notes } = server.value;
  const pooled = url !== null && directUrl !== null;
  const shares = await options.lifecycle.acquire(
    'database pool',
    () =>
      connectShares({
        connectionString: url ?? connectionString,
        poolSize: options.poolSize,
        applicationName: 'lablink',
        ...(pooled ? { pooled } : { prepared: preparedClaim }),
        onIdleError: (error) => options.log.warn({ err: error }, 'An idle database connection was lost.'),
        onRefusal: ({ hostname, event, state }) =>
          options.log.warn({ hostname, event, vmStatus: state }, 'An event of a machine was refused.'),
      }),
    (opened) => opened.close(),
  );
  const migrated = await migrate(options, connectionString);
  if (!migrated.ok) return migrated;
  if (migrated.value.length > 0)
    options.log.info({ migrations: migrated.value }, 'The schema was brought up to date.');
  const db = shares.others;
  return succeed({
    db,
    shares,
    connectionString,
    notes: [...notes, ...(pooled ? await notesOfPool(db) : [])],
  });
}

/** The server and the right to use it, whatever is in its database. */
export function openServer(options: OpenOptions): Promise<Result<Server>> {
  return options.url === null ? openEmbedded(options) : openExternal(options, options.url);
}

/** Through a pooler, the allocator cannot set the limit itself. */
async function notesOfPool(db: Db): Promise<string[]> {
  const { rows } = await sql<{ limit: string; user: string }>`
    select current_setting('statement_timeout') as limit, current_user as user`.execute(db);
  return rows.flatMap(({ limit, user }) =>
    limit === '0'
      ? [
          `Warning: through the pooler, statements have no time limit. Run: alter role ${user} set statement_timeout = '15s' (then RECONNECT in PgBouncer).`,
        ]
      : [],
  );
}

/** On a connection of its own: another allocator may migrate for long, and so may a migration of large tables. */
async function migrate(
  { log, beforeMigrating }: OpenOptions,
  connectionString: string,
): Promise<MigrateResult> {
  const db = connectDatabase({
    connectionString,
    poolSize: 1,
    applicationName: 'lablink migrations',
    unlimited: true,
    onIdleError: (error) => log.warn({ err: error }, 'The connection for migrations was lost.'),
  });
  try {
    const before =
      beforeMigrating && ((missing: readonly string[]) => beforeMigrating(connectionString, missing));
    return await migrateToLatest(db, undefined, before);
  } finally {
    await db.destroy();
  }
}

export type Server = { readonly connectionString: string; readonly notes: readonly string[] };

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
  const { lifecycle, log, whyAlone } = options;
  const connectionString = options.directUrl ?? url;
  const checked = await checkAddresses(options, url);
  if (!checked.ok) return checked;
  const locked = await lifecycle.acquire(
    'deployment lock',
    () =>
      acquireDeploymentLock({
        ...options,
        connectionString,
        mode: whyAlone === null ? 'shared' : 'exclusive',
        log: (line) => log.info({}, line),
        onTaken: (holder) => options.onTaken(describeHolder(holder)),
      }),
    async (result) => {
      if (result.ok) await result.value.release();
    },
  );
  if (locked.ok) return succeed({ connectionString, notes: [] });
  if (locked.failure.code === 'unreachable')
    return unreachable(locked.failure.error, directVariable(options));
  const holder = describeHolder(locked.failure.holder);
  return fail({
    code: 'in_use',
    message: `Another allocator (${holder}) is using this database${whyAlone === null ? ' alone' : `, and this one cannot share it: ${whyAlone}`}.`,
    remedy:
      'Stop it first, or name another database. docs/operations.md says how several allocators share one.',
  });
}

/** Before a lock is acquired: a pooler would keep it after the allocator has ended. */
async function checkAddresses(options: OpenOptions, url: string): Promise<Result> {
  const { directUrl } = options;
  const variable = directVariable(options);
  const usable = await checkServerVersion(directUrl ?? url).catch((error: unknown) =>
    unreachable(error, variable),
  );
  if (!usable.ok) return usable;
  const kept = await checkSessionIsKept(directUrl ?? url, variable).catch((error: unknown) =>
    unreachable(error, variable),
  );
  if (!kept.ok || directUrl === null) return kept;
  return checkSameDatabase(url, directUrl).catch((error: unknown) => unreachable(error, 'DATABASE_URL'));
}

function directVariable({ directUrl }: OpenOptions): UrlVariable {
  return directUrl === null ? 'DATABASE_URL' : 'DATABASE_DIRECT_URL';
}

function unreachable(error: unknown, variable: UrlVariable): Failed {
  const failure = databaseStartFailure(error, variable);
  if (failure === null) throw error;
  return fail(failure);
}

// Where a support bundle reads: the data folder and the database as they are. Nothing is created or started.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Config, ConfigResult } from '../config.ts';
import type { Inspected } from '../config/inspect.ts';
import { connectDatabase, type Db } from '../db/connect.ts';
import { pathsIn } from '../db/embedded/paths.ts';
import { findPostmaster } from '../db/embedded/postmaster.ts';
import { connectionString } from '../db/embedded/session.ts';
import { readWhatToHide } from '../db/support-facts.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import type { AppContext } from './context.ts';

export type BundleContext = Pick<AppContext, 'env' | 'platform'> & {
  readonly loaded: ConfigResult;
  readonly inspected: Inspected;
  readonly now: Date;
};

const STATEMENT_MS = 10_000;
/** For everything that is read from a database that hangs. */
const DATABASE_MS = 60_000;
/** Their content must not stand anywhere in the bundle. */
const SECRET_FILES = [
  'secret-key',
  'admin-password',
  'log-forwarder-token',
  'pulumi-passphrase',
  'postgres/password',
];
const SECRET_VARIABLE = /secret|token|password|passphrase|credential|_key$/i;

/** Everything that is configured as a secret, kept as one in a file, or called one in the environment. */
export async function secretsOf({ inspected, env }: BundleContext, dataDir: string): Promise<string[]> {
  const ofVariables = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && SECRET_VARIABLE.test(name) ? value : [],
  );
  const ofFiles = await Promise.all(
    SECRET_FILES.map((name) => readFile(join(dataDir, name), 'utf8').catch(() => '')),
  );
  return [...inspected.secrets, ...ofVariables, ...ofFiles].map((secret) => secret.trim());
}

export type ReadDatabase = AsyncDisposable & {
  /** Throws where the database is away or slow. */
  readonly read: <T>(query: (db: Db) => Promise<T>) => Promise<T>;
  readonly toHide: Awaited<ReturnType<typeof readWhatToHide>>;
};

/** Never throws: what is wrong is thrown by `read`. */
export async function openForReading(config: Config | null, dataDir: string): Promise<ReadDatabase> {
  const address = await addressOf(config, dataDir);
  if (!address.ok) return unreadable(new Error(describeFailure(address.failure)));
  const db = connectDatabase({
    connectionString: address.value,
    poolSize: 1,
    applicationName: 'lablink support-bundle',
    onIdleError: () => undefined,
  });
  const end = performance.now() + DATABASE_MS;
  const read: ReadDatabase['read'] = (query) => {
    if (performance.now() > end)
      throw new Error('the database is too slow: it took a minute for the parts before');
    return withTimeLimit(
      STATEMENT_MS,
      () => query(db),
      () => {
        throw new Error(`the database did not answer within ${STATEMENT_MS / 1_000} s`);
      },
    );
  };
  try {
    const toHide = await read(readWhatToHide);
    return { read, toHide, [Symbol.asyncDispose]: () => db.destroy() };
  } catch (error) {
    await db.destroy();
    return unreadable(error);
  }
}

function unreadable(error: unknown): ReadDatabase {
  return {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as it was thrown
    read: () => Promise.reject(error),
    toHide: { secrets: [], emails: [] },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Of Postgres itself, past a pooler. The embedded one is left alone if it does not run: a bundle shows what is. */
async function addressOf(config: Config | null, dataDir: string): Promise<Result<string>> {
  if (config?.database.kind === 'external') {
    const { url, directUrl = url } = config.database;
    return succeed(directUrl);
  }
  const { cluster, password } = pathsIn(dataDir);
  const { port } = (await findPostmaster(cluster)) ?? {};
  if (port === undefined) return fail(NOT_RUNNING);
  try {
    return succeed(connectionString({ port, password: (await readFile(password, 'utf8')).trim() }));
  } catch (error) {
    return fail({
      ...NOT_RUNNING,
      message: `The password of the embedded Postgres cannot be read: ${String(error)}.`,
    });
  }
}

const NOT_RUNNING = {
  code: 'not_running',
  message: 'The embedded Postgres does not run, or not under this data folder.',
  remedy: 'This command starts nothing: start the allocator, and run it again as its user.',
};

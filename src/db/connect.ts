// The pool, and Kysely over it. Everything that the database room hands out takes this `Db` first.
import { Kysely, PostgresDialect } from 'kysely';
import { Pool, TypeOverrides } from 'pg';
import type { DB } from './schema.gen.ts';

export type Db = Kysely<DB>;

export type DatabaseOptions = {
  readonly connectionString: string;
  readonly poolSize: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Told of errors of idle connections, which would otherwise end the process. */
  readonly onIdleError: (error: Error) => void;
};

/** A request that finds the pool busy or the server away is told so after this long. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** No statement of ours runs longer; the server ends it. */
const STATEMENT_TIMEOUT_MS = 15_000;
const BIGINT_OID = 20;

/** Opens the pool lazily: no connection is made before the first query. Close it with `db.destroy()`. */
export function connectDatabase(options: DatabaseOptions): Db {
  const pool = new Pool({
    connectionString: options.connectionString,
    max: options.poolSize,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    types: bigintAsNumber(),
  });
  pool.on('error', options.onIdleError);
  // A connection that is lost while it is in use: its query is rejected, and nobody else need know. The pool listens only
  // while a connection is idle, and an error that nobody hears ends the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
}

/** Counts and byte sizes come as bigint; all of ours fit a double exactly. */
function bigintAsNumber(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(BIGINT_OID, 'text', Number);
  return types;
}

// The pool, and Kysely over it. Everything that the database room hands out takes this `Db` first.
import { Socket } from 'node:net';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool, TypeOverrides } from 'pg';
import { preparing, type PreparedNames } from './prepared.ts';
import type { DB } from './schema.gen.ts';

export type Db = Kysely<DB>;

export type DatabaseOptions = {
  readonly connectionString: string;
  readonly poolSize: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Told of errors of idle connections, which would otherwise end the process. */
  readonly onIdleError: (error: Error) => void;
  /** What connections prepare once; all else is planned every time. */
  readonly prepared?: PreparedNames;
};

/** A request that finds the pool busy or the server away is told so after this long. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** No statement of ours runs longer; the server ends it. */
const STATEMENT_TIMEOUT_MS = 15_000;
/** Idle connections are closed after this long. */
const IDLE_TIMEOUT_MS = 10_000;
/** Longer than any statement runs and any connection idles: a network that is silent for this long is dead. */
const SILENCE_TIMEOUT_MS = 20_000;
const BIGINT_OID = 20;

/** Opens the pool lazily: no connection is made before the first query. Close it with `db.destroy()`. */
export function connectDatabase(options: DatabaseOptions): Db {
  const pool = new Pool({
    connectionString: options.connectionString,
    max: options.poolSize,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
    stream: impatientSocket,
    types: bigintAsNumber(),
  });
  pool.on('error', options.onIdleError);
  // A connection that is lost while it is in use: its query is rejected, and nobody else need know. The pool listens only
  // while a connection is idle, and an error that nobody hears ends the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<DB>({
    dialect: new PostgresDialect({ pool: preparing(pool, options.prepared ?? new Map()) }),
  });
}

/**
 * A socket that gives a dead network up. Otherwise who waits for an answer would wait for as long as TCP tries, a quarter
 * of an hour, and so would everybody after them on the same connection.
 */
function impatientSocket(): Socket {
  const socket = new Socket();
  socket.setTimeout(SILENCE_TIMEOUT_MS, () => {
    const error = new Error(`Postgres has said nothing for ${SILENCE_TIMEOUT_MS / 1_000} s.`);
    socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
  });
  return socket;
}

/** Counts and byte sizes come as bigint; all of ours fit a double exactly. */
function bigintAsNumber(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(BIGINT_OID, 'text', Number);
  return types;
}

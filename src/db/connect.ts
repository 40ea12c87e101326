// The pool, and Kysely on top of it. The functions of this module take this `Db` as their first argument.
import { Socket } from 'node:net';
import { Kysely, PostgresAdapter, PostgresDialect, type PostgresDialectConfig } from 'kysely';
import { Pool, TypeOverrides, type ClientBase } from 'pg';
import type { Refusal } from '../vms/lifecycle.ts';
import { withPreparedStatements, type PreparedNames } from './prepared.ts';
import type { DB } from './schema.gen.ts';

export type Db = Kysely<DB>;

export type DatabaseOptions = {
  readonly connectionString: string;
  readonly poolSize: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Called on errors of idle connections, which would otherwise end the process. */
  readonly onIdleError: (error: Error) => void;
  /** Called when an event was refused because of the state of a VM (see db/transition.ts). */
  readonly onRefusal?: OnRefusal;
  /** For work that may take as long as it takes, such as migrations: statements and sockets have no time limit. */
  readonly unlimited?: boolean;
  /** Through a pooler in transaction mode, where nothing can be set for a session. */
  readonly pooled?: boolean;
  /** Statements that each connection prepares once. */
  readonly prepared?: PreparedNames;
};

type OnRefusal = (refusal: Refusal) => void;

/** How long a request waits for a connection before it fails. */
const CONNECTION_TIMEOUT_MS = 5_000;
/** The server cancels statements that run longer. */
const STATEMENT_TIMEOUT_MS = 15_000;
/** Idle connections are closed after this long. */
const IDLE_TIMEOUT_MS = 10_000;
/** Longer than any statement runs or any connection is idle: after this, the network counts as dead. */
const SILENCE_TIMEOUT_MS = 20_000;
const BIGINT_OID = 20;

/** Opens no connection before the first query. Close the pool with `db.destroy()`. */
export function connectDatabase({ unlimited = false, pooled = false, ...options }: DatabaseOptions): Db {
  // The pool waits for the promise, although its type says nothing of one.
  const onConnect = (client: ClientBase): unknown =>
    client.query(`set statement_timeout = ${unlimited ? 0 : STATEMENT_TIMEOUT_MS}`);
  const pool = new Pool({
    connectionString: options.connectionString,
    max: options.poolSize,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
    // Not as a parameter of the connection: PgBouncer refuses those that it does not know.
    ...(!pooled && { onConnect }),
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
    ...(!unlimited && { stream: createSocket }),
    types: bigintAsNumber(),
  });
  pool.on('error', options.onIdleError);
  // The pool handles `error` only while a connection is idle, and an `error` event without a listener ends the process. If a
  // connection is lost while it is in use, its query is rejected, which is enough.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<DB>({ dialect: dialectOf(pool, options) });
  pools.set(db, pool);
  return db;
}

export type PoolUse = {
  /** Open connections, and how many of them no query uses. */
  readonly open: number;
  readonly idle: number;
  /** Queries that wait for a connection. */
  readonly waiting: number;
  readonly most: number;
};

const pools = new WeakMap<Db, Pool>();

/** Null for a transaction. */
export function readPoolUse(db: Db): PoolUse | null {
  const pool = pools.get(db);
  if (pool === undefined) return null;
  const { totalCount: open, idleCount: idle, waitingCount: waiting, options } = pool;
  return { open, idle, waiting, most: options.max };
}

function dialectOf(pool: Pool, options: Pick<DatabaseOptions, 'prepared' | 'onRefusal'>): Dialect {
  const config = { pool: withPreparedStatements(pool, options.prepared ?? new Map()) };
  return new Dialect(config, options.onRefusal ?? (() => undefined));
}

/** The adapter is the part of a `Db` that its transactions share. */
class Adapter extends PostgresAdapter {
  readonly onRefusal: OnRefusal;

  constructor(onRefusal: OnRefusal) {
    super();
    this.onRefusal = onRefusal;
  }
}

class Dialect extends PostgresDialect {
  readonly #onRefusal: OnRefusal;

  constructor(config: PostgresDialectConfig, onRefusal: OnRefusal) {
    super(config);
    this.#onRefusal = onRefusal;
  }

  override createAdapter(): Adapter {
    return new Adapter(this.#onRefusal);
  }
}

/** Reports a refusal to the opener of this database; no caller can forget it. */
export function reportRefusal(db: Db, refusal: Refusal): void {
  const { adapter } = db.getExecutor();
  if (adapter instanceof Adapter) adapter.onRefusal(refusal);
}

/**
 * A socket that fails when the network is dead. Otherwise queries would wait until TCP gives up, which takes a quarter of an
 * hour.
 */
function createSocket(): Socket {
  const socket = new Socket();
  socket.setTimeout(SILENCE_TIMEOUT_MS, () => {
    const error = new Error(`Postgres has not answered for ${SILENCE_TIMEOUT_MS / 1_000} s.`);
    socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
  });
  return socket;
}

/** Postgres counts in bigint; all of our numbers are safe integers. */
function bigintAsNumber(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(BIGINT_OID, 'text', Number);
  return types;
}

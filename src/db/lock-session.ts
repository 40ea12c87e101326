// One connection that acquires and checks the deployment lock.
import { Client } from 'pg';
import { withTimeLimit } from '../async/time-limit.ts';

/** Exclusive: alone. Shared: together with others that share. */
export type LockMode = 'exclusive' | 'shared';

/** `name` is the application name of the holder's connection; `since` is when that was opened. */
export type Holder = { readonly name: string; readonly since: Date };

export type LockSession = {
  /** Aborted when the connection has ended. */
  readonly gone: AbortSignal;
  /** True if the lock was acquired; does not wait. */
  tryLock(mode: LockMode): Promise<boolean>;
  /** Whether this connection still holds the lock. */
  holds(): Promise<boolean>;
  /** The other connection that has held the lock longest; undefined if there is none. */
  findHolder(): Promise<Holder | undefined>;
  /**
   * Terminates other connections of this name that hold the lock: our own earlier ones, which the server still believes to be
   * alive. True if there were any.
   */
  terminateOwn(): Promise<boolean>;
  close(): Promise<void>;
};

/** Arbitrary constants; advisory locks are local to a database. */
const LOCK_CLASS = 7_236_002;
const LOCK_OBJECT = 1;
/** How pg_locks marks a lock with two keys. */
const TWO_KEYS = 2;

/** Over a dead network, the server never answers. */
const CLOSE_TIMEOUT_MS = 2_000;
/** The server drops a client that has vanished after idle + count × interval = 30 s. */
const SESSION_SETTINGS = {
  tcp_keepalives_idle: '15',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  idle_session_timeout: '0',
};

const heldByUs = `select 1 from pg_locks where locktype = 'advisory' and classid = ${LOCK_CLASS}
  and objid = ${LOCK_OBJECT} and objsubid = ${TWO_KEYS} and granted and pid = pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())`;

const heldByOthers = `from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.classid = ${LOCK_CLASS} and l.objid = ${LOCK_OBJECT}
  and l.objsubid = ${TWO_KEYS} and l.granted and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())`;

/**
 * Connects. Other allocators see `name`; the server keeps its first 63 bytes. Rejects if the server cannot be reached, does
 * not answer within `answerMs`, or rejects the login.
 */
export async function openLockSession(
  connectionString: string,
  name: string,
  answerMs: number,
): Promise<LockSession> {
  const gone = new AbortController();
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
    keepAlive: true,
  });
  client.on('error', () => gone.abort());
  client.on('end', () => gone.abort());
  try {
    await client.connect();
    // By a statement: a name in the connection string would win over the client's option.
    for (const [setting, value] of Object.entries({ ...SESSION_SETTINGS, application_name: name })) {
      await client.query('select set_config($1, $2, false)', [setting, value]);
    }
  } catch (error) {
    await client.end();
    throw error;
  }
  return sessionOn(client, name, gone.signal);
}

function sessionOn(client: Client, name: string, gone: AbortSignal): LockSession {
  return {
    gone,
    tryLock: async (mode) => {
      const lock = mode === 'exclusive' ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
      const { rows } = await client.query<{ got: boolean }>(
        `select ${lock}(${LOCK_CLASS}, ${LOCK_OBJECT}) as got`,
      );
      return rows[0]?.got === true;
    },
    holds: async () => (await client.query(heldByUs)).rows.length > 0,
    findHolder: async () => {
      const { rows } = await client.query<{ name: string | null; since: Date | null }>(
        `select a.application_name as name, a.backend_start as since ${heldByOthers} order by 2 limit 1`,
      );
      const [row] = rows;
      return row && { name: row.name ?? '', since: row.since ?? new Date(0) };
    },
    terminateOwn: async () => {
      const { rows } = await client.query(
        `select pg_terminate_backend(l.pid) ${heldByOthers} and a.application_name = $1`,
        [name],
      );
      return rows.length > 0;
    },
    close: () =>
      withTimeLimit(
        CLOSE_TIMEOUT_MS,
        () => client.end(),
        () => undefined,
      ),
  };
}

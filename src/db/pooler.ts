// A pooler in transaction mode (PgBouncer) between this program and Postgres. There a session changes between two
// transactions: notifications, session locks and prepared statements are lost or left with somebody else. What needs a
// session takes the direct address.
import { randomInt } from 'node:crypto';
import { Client } from 'pg';
import { fail, succeed, type Result } from '../result.ts';

const ANSWER_TIMEOUT_MS = 5_000;
/** Some poolers take turns: one transaction could be on the same server process by chance. */
const TRANSACTIONS = 3;
/** Used together with a random number; no other advisory lock has this number. */
const SAME_DATABASE_LOCK = 7_206;
const LOCK_OBJECTS = 2 ** 31;

export type UrlVariable = 'DATABASE_URL' | 'DATABASE_DIRECT_URL';

const remedies = {
  DATABASE_URL:
    'Keep it, and set DATABASE_DIRECT_URL to the address of Postgres itself, for listening and locks; or set DATABASE_URL to Postgres itself or to a pool in session mode.',
  DATABASE_DIRECT_URL: 'Set it to the address of Postgres itself, or of a pool in session mode.',
} satisfies Record<UrlVariable, string>;

function poolerFailure(variable: UrlVariable) {
  return fail({
    code: 'pooler_in_transaction_mode',
    message: `${variable} leads to a pooler in transaction mode (PgBouncer).`,
    remedy: remedies[variable],
  });
}

/** The direct address leads elsewhere: what one allocator writes would be announced to nobody. */
export const otherDatabase = fail({
  code: 'other_database',
  message: 'DATABASE_URL and DATABASE_DIRECT_URL lead to different databases.',
  remedy: 'Set both to the same database of the same server.',
});

/**
 * Two sessions at once must have a server process each, and keep it from one transaction to the next: the second session
 * holds a transaction open, so that a pooler cannot give the first one the same process again. Rejects if the server cannot
 * be reached.
 */
export async function checkSessionIsKept(connectionString: string, variable: UrlVariable): Promise<Result> {
  return withTwoClients([connectionString, connectionString], async (one, other) => {
    const seen = [await pidOf(one)];
    await other.query('begin');
    const held = await pidOf(other);
    for (let count = 0; count < TRANSACTIONS; count++) seen.push(await pidOf(one));
    return seen.includes(held) || new Set(seen).size > 1 ? poolerFailure(variable) : succeed(undefined);
  });
}

/** Whether both lead to the same database: only there a lock of the one is seen by the other. Rejects as above. */
export async function checkSameDatabase(pooled: string, direct: string): Promise<Result> {
  const key = `(${SAME_DATABASE_LOCK}, ${randomInt(LOCK_OBJECTS)})`;
  return withTwoClients([direct, pooled], async (one, other) => {
    await one.query('begin');
    await one.query(`select pg_advisory_xact_lock${key}`);
    const { rows } = await other.query<{ free: boolean }>(`select pg_try_advisory_xact_lock${key} as free`);
    return rows[0]?.free === false ? succeed(undefined) : otherDatabase;
  });
}

async function withTwoClients(
  urls: readonly [string, string],
  work: (one: Client, other: Client) => Promise<Result>,
): Promise<Result> {
  const [one, other] = [connect(urls[0]), connect(urls[1])];
  try {
    await Promise.all([one.connect(), other.connect()]);
    return await work(one, other);
  } finally {
    await Promise.allSettled([one.end(), other.end()]);
  }
}

function connect(connectionString: string): Client {
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  return client;
}

async function pidOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid;
}

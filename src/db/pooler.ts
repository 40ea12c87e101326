// Whether a pooler in transaction mode (PgBouncer) is between this program and Postgres. There a session changes between two
// transactions: notifications, advisory locks and prepared statements are lost or left with somebody else.
import { Client } from 'pg';
import { fail, succeed, type Result } from '../result.ts';

const ANSWER_TIMEOUT_MS = 5_000;
/** Some poolers take turns: one transaction could be on the same server process by chance. */
const TRANSACTIONS = 3;

export const poolerFailure = fail({
  code: 'pooler_in_transaction_mode',
  message: 'The address of the database leads to a pooler in transaction mode (PgBouncer).',
  remedy: 'Set DATABASE_URL to the address of Postgres itself, or of a pool in session mode.',
});

/**
 * Two sessions at once must have a server process each, and keep it from one transaction to the next: the second session
 * holds a transaction open, so that a pooler cannot give the first one the same process again. Rejects if the server cannot
 * be reached.
 */
export async function checkSessionIsKept(connectionString: string): Promise<Result> {
  const options = {
    connectionString,
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  };
  const [one, other] = [new Client(options), new Client(options)];
  for (const client of [one, other]) client.on('error', () => undefined);
  try {
    await Promise.all([one.connect(), other.connect()]);
    const seen = [await pidOf(one)];
    await other.query('begin');
    const held = await pidOf(other);
    for (let count = 0; count < TRANSACTIONS; count++) seen.push(await pidOf(one));
    return seen.includes(held) || new Set(seen).size > 1 ? poolerFailure : succeed(undefined);
  } finally {
    await Promise.allSettled([one.end(), other.end()]);
  }
}

async function pidOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid;
}

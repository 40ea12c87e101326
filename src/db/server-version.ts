// The oldest Postgres that the allocator works with: idle_session_timeout, which its sessions set, came with it.
import { Client } from 'pg';
import { fail, succeed, type Result } from '../result.ts';

export const OLDEST_POSTGRES = 14;

/** `server_version_num` is the major times this, and the minor. */
const NUMBERS_OF_A_MAJOR = 10_000;
const ANSWER_MS = 5_000;

/** Rejects if the server cannot be reached. */
export async function checkServerVersion(connectionString: string): Promise<Result> {
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ number: number; name: string }>(
      `select current_setting('server_version_num')::int as number, current_setting('server_version') as name`,
    );
    const [{ number, name } = { number: 0, name: 'unknown' }] = rows;
    if (number >= OLDEST_POSTGRES * NUMBERS_OF_A_MAJOR) return succeed();
    return fail({
      code: 'postgres_too_old',
      message: `The database server is Postgres ${name}, which is too old: the allocator needs ${OLDEST_POSTGRES} or newer.`,
      remedy: `Upgrade that server, or set DATABASE_URL to one of Postgres ${OLDEST_POSTGRES} or newer. Nothing was changed.`,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

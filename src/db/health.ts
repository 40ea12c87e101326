// The health checks of the database: whether it answers, and takes writes; whether it hangs.
import { Socket } from 'node:net';
import { sql } from 'kysely';
import { Client } from 'pg';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Db } from './connect.ts';
import { errorCode, READ_ONLY } from './errors.ts';

const HEALTH_TIMEOUT_MS = 2_000;
/** Longer than an answer takes on the busiest computer. */
const HANG_MS = 10_000;

/** Null = ready; otherwise what is wrong. */
export function checkDatabase(db: Db): Promise<string | null> {
  return withTimeLimit(
    HEALTH_TIMEOUT_MS,
    () =>
      // A write that changes nothing: a server that takes none rejects it.
      sql`update deployment_identity set uid = uid where false`.execute(db).then(
        () => null,
        (error: unknown) =>
          errorCode(error) === READ_ONLY
            ? 'The database takes no writes: it is a standby, or default_transaction_read_only is on.'
            : 'The database cannot be reached.',
      ),
    () => `The database does not answer within ${HEALTH_TIMEOUT_MS / 1_000} s.`,
  );
}

/**
 * Whether it neither answers nor fails. One that is away fails: requests get 503, and a restart would not help. It is asked on a new
 * connection, with no other limit: a pool gives up connecting sooner, which is a failure to it.
 */
export async function databaseHangs(connectionString: string, limitMs = HANG_MS): Promise<boolean> {
  const socket = new Socket();
  const client = new Client({ connectionString, application_name: 'lablink watchdog', stream: () => socket });
  client.on('error', () => undefined);
  const answered = () => false;
  const ask = async (): Promise<void> => {
    await client.connect();
    await client.query('select 1');
    await client.end();
  };
  try {
    return await withTimeLimit(
      limitMs,
      () => ask().then(answered, answered),
      () => true,
    );
  } finally {
    socket.destroy();
  }
}

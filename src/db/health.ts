// The health check of the database: whether it answers, and takes writes.
import { sql } from 'kysely';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Db } from './connect.ts';
import { errorCode, READ_ONLY } from './errors.ts';

const HEALTH_TIMEOUT_MS = 2_000;

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

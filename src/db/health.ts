// The health check of the database.
import { sql } from 'kysely';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Db } from './connect.ts';

const HEALTH_TIMEOUT_MS = 2_000;

/** Null = ready; otherwise what is wrong. */
export function checkDatabase(db: Db): Promise<string | null> {
  return withTimeLimit(
    HEALTH_TIMEOUT_MS,
    () =>
      sql`select from vms limit 0`.execute(db).then(
        () => null,
        () => 'The database cannot be reached.',
      ),
    () => `The database does not answer within ${HEALTH_TIMEOUT_MS / 1_000} s.`,
  );
}

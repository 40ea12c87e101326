// The health checks of the database: whether it answers, and takes writes; whether it hangs.
import { sql } from 'kysely';
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

/** Whether it neither answers nor fails. One that is away fails: requests get 503, and a restart would not help. */
export function databaseHangs(db: Db): Promise<boolean> {
  const answered = () => false;
  return withTimeLimit(
    HANG_MS,
    () => sql`select 1`.execute(db).then(answered, answered),
    () => true,
  );
}

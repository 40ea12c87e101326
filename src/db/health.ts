// Is the database there, and quick enough to serve?
import { sql } from 'kysely';
import type { Db } from './connect.ts';

const HEALTH_TIMEOUT_MS = 2_000;

/** null = ready; else a sentence that says what is missing. */
export async function checkDatabase(db: Db): Promise<string | null> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(
    resolve,
    HEALTH_TIMEOUT_MS,
    `The database does not answer within ${HEALTH_TIMEOUT_MS / 1_000} s.`,
  );
  try {
    return await Promise.race([ask(db), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function ask(db: Db): Promise<string | null> {
  try {
    await sql`select from vms limit 0`.execute(db);
    return null;
  } catch {
    return 'The database cannot be reached.';
  }
}

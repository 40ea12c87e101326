// The roster: who may join, by e-mail, and who asked without being on it.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

/** So many of the newest are kept: anybody can ask with any address. */
const REQUESTS_KEPT = 500;

/** @param email normalized: see vms/email.ts */
export async function isOnRoster(db: Db, email: string): Promise<boolean> {
  const row = await db.selectFrom('roster').select('email').where('email', '=', email).executeTakeFirst();
  return row !== undefined;
}

/** Somebody asked for a machine with an e-mail that is not on the roster. */
export async function recordRosterRequest(db: Db, email: string): Promise<void> {
  await sql`
    with kept as (
      delete from roster_requests where email in (
        select email from roster_requests where email <> ${email} order by last_at desc offset ${REQUESTS_KEPT - 1}
      )
    )
    insert into roster_requests (email) values (${email})
    on conflict (email) do update set times = roster_requests.times + 1, last_at = now()`.execute(db);
}

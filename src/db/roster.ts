// The roster: who may join, by e-mail; a roster that was uploaded and not taken yet; who asked without being on it.
import { sql } from 'kysely';
import { z } from 'zod';
import type { RosterEntry } from '../vms/roster.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';

export type RosterRequest = { readonly email: string; readonly times: number; readonly lastAt: Date };

/** So many of the newest are kept: anybody can ask with any address. */
const REQUESTS_KEPT = 500;
const REQUESTS_SHOWN = 50;

/** @param email normalized: see vms/email.ts */
export async function isOnRoster(db: Db, email: string): Promise<boolean> {
  const row = await db.selectFrom('roster').select('email').where('email', '=', email).executeTakeFirst();
  return row !== undefined;
}

export async function listRoster(db: Db): Promise<RosterEntry[]> {
  return db
    .selectFrom('roster')
    .select(['email', 'name', 'group_name as group', 'note'])
    .orderBy('email')
    .execute();
}

/** The newest first; without those who are on the roster meanwhile. */
export async function listRosterRequests(db: Db): Promise<RosterRequest[]> {
  return db
    .selectFrom('roster_requests')
    .select(['email', 'times', 'last_at as lastAt'])
    .where('email', 'not in', (eb) => eb.selectFrom('roster').select('email'))
    .orderBy('last_at', 'desc')
    .limit(REQUESTS_SHOWN)
    .execute();
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

/** Adds one person, or changes nothing. */
export async function allowOnRoster(db: Db, email: string, who: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { numInsertedOrUpdatedRows = 0n } = await trx
      .insertInto('roster')
      .values({ email, added_by: who })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    await trx.deleteFrom('roster_requests').where('email', '=', email).execute();
    if (numInsertedOrUpdatedRows > 0n)
      await recordAuditEvent(trx, { who, what: 'roster', detail: `${email} was allowed` });
  });
}

/** Keeps what was uploaded until it is taken, at most a day. */
export async function keepUpload(
  db: Db,
  {
    id,
    entries,
    who,
  }: { readonly id: string; readonly entries: readonly RosterEntry[]; readonly who: string },
): Promise<void> {
  await sql`delete from roster_uploads where uploaded_at < now() - interval '1 day'`.execute(db);
  await db
    .insertInto('roster_uploads')
    .values({ id, entries: sql<string>`${JSON.stringify(entries)}::jsonb`, uploaded_by: who })
    .execute();
}

const entriesSchema = z.array(
  z.object({ email: z.string(), name: z.string(), group: z.string(), note: z.string() }),
);

/** The roster becomes what was uploaded. False: there is no such upload any more. */
export async function takeUpload(db: Db, id: string, who: string): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const upload = await trx
      .deleteFrom('roster_uploads')
      .where('id', '=', id)
      .returning('entries')
      .executeTakeFirst();
    if (!upload) return false;
    const entries = entriesSchema.parse(upload.entries);
    const list = JSON.stringify(entries);
    await sql`lock table roster in share row exclusive mode`.execute(trx);
    await sql`delete from roster where email not in (
      select email from jsonb_to_recordset(${list}::jsonb) as given (email text))`.execute(trx);
    await sql`insert into roster (email, name, group_name, note, added_by)
      select email, name, "group", note, ${who}
      from jsonb_to_recordset(${list}::jsonb) as given (email text, name text, "group" text, note text)
      on conflict (email) do update
        set name = excluded.name, group_name = excluded.group_name, note = excluded.note`.execute(trx);
    await recordAuditEvent(trx, { who, what: 'roster', detail: `${entries.length} people` });
    return true;
  });
}

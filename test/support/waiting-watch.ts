// Watches every reservation in the database itself, whoever makes it, and finds those that passed somebody or came twice.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { PRESENT_SECONDS } from '../../src/vms/waiting.ts';

/** Who joins or wakes up while a statement runs may be too late for it. */
const SETTLED = '0.2 seconds';

/**
 * From now on each reservation is recorded with how many people it has passed: who was present, came before, and has none at the
 * end of the statement. Those who missed theirs in the same statement do not count: that one goes to the next.
 */
export async function watchReservations(db: Db): Promise<void> {
  for (const statement of [
    `create table watched_reservations (id bigint generated always as identity, at timestamptz not null default clock_timestamp(),
       email text, hostname text, passed integer, others integer)`,
    `create function watch_reservation() returns trigger language plpgsql as $$
     begin
       insert into watched_reservations (email, hostname, passed, others) select new.email, new.reserved_vm,
         (select count(*) from waiting_list o join waiting_presence p using (id)
          where o.left_at is null and o.reserved_vm is null and o.position < new.position and new.called_at is null
            and p.present_at > now() - interval '${PRESENT_SECONDS} seconds'
            and greatest(o.since, p.present_at) < statement_timestamp() - interval '${SETTLED}'
            and o.xmin::text <> pg_current_xact_id()::xid::text),
         (select count(*) from waiting_list o where o.reserved_vm = new.reserved_vm and o.id <> new.id)
           + (select count(*) from vms where reserved_for = new.id and hostname <> new.reserved_vm);
       return null;
     end $$`,
    `create constraint trigger watch_reservation after update of reserved_vm on waiting_list deferrable initially deferred
       for each row when (new.reserved_vm is not null and new.reserved_vm is distinct from old.reserved_vm)
       execute function watch_reservation()`,
  ])
    await sql.raw(statement).execute(db);
}

export async function findViolations(db: Db): Promise<{ readonly order: number; readonly double: number }> {
  const { rows } = await sql<{ order: number; double: number }>`
    select coalesce(sum(passed), 0)::int as "order", coalesce(sum(others), 0)::int as double from watched_reservations`.execute(
    db,
  );
  return rows[0] ?? { order: -1, double: -1 };
}

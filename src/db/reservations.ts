// Reserving VMs for the people of the waiting list: one statement ends what has run out, passes those VMs on and reserves free
// ones. The rules are in vms/waiting.ts; docs/adr/0020 says why.
import { sql } from 'kysely';
import { FORGOTTEN_HOURS, MAX_MISSED, PRESENT_SECONDS, RESERVATION_SECONDS } from '../vms/waiting.ts';
import type { Db } from './connect.ts';
import { errorCode, LOCK_NOT_AVAILABLE } from './errors.ts';
import { freeVmsSql, MAX_PICKED } from './free-vms.ts';
import { condition, isFree } from './predicates.ts';

/** Everything that changes the order of the list, or who has a VM reserved, takes this advisory lock first. */
const LIST_LOCK = 7_206;
const LOCK_TIMEOUT_MS = 1_000;
/** Nobody could work on a VM that shuts down sooner. */
const LASTS = `coalesce(v.shutdown_at > now() + interval '${RESERVATION_SECONDS} seconds', true)`;

export type Reservation = {
  readonly id: string;
  readonly hostname: string;
};

export type Sweep = {
  /** Whether a VM could be claimed now. If not, nothing is reserved and what is reserved ends. */
  readonly open: boolean;
  /** No reservation lasts longer; null = there is no such time. */
  readonly until: Date | null;
};

/** Runs work that changes the order or the reservations, alone. */
export function withListLock<T>(db: Db, work: (trx: Db) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (trx) => {
    await sql`select set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, true)`.execute(trx);
    await sql`select pg_advisory_xact_lock(${LIST_LOCK})`.execute(trx);
    return work(trx);
  });
}

/** Whether there is anything to reserve, pass on or end. */
export async function isListInUse(db: Db): Promise<boolean> {
  const row = await db
    .selectFrom('waiting_list')
    .select('id')
    .where('left_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Ends the reservations that have run out, or whose VM cannot be claimed any more, and reserves VMs for the first people who are
 * present. Safe to run anywhere at any time: two of them run one after another, and the second finds what the first has left. If
 * another one runs for too long, nothing is done. Returns the new reservations.
 */
export async function reserveVms(db: Db, sweep: Sweep): Promise<Reservation[]> {
  try {
    return await withListLock(db, async (trx) => {
      await removeServed(trx);
      return (await reservations(sweep).execute(trx)).rows;
    });
  } catch (error) {
    if (errorCode(error) === LOCK_NOT_AVAILABLE) return [];
    throw error;
  }
}

/**
 * Somebody may join in one tab while another tab gets a VM: their place would hold up everybody, and nobody would come for what is
 * reserved for it.
 */
async function removeServed(trx: Db): Promise<void> {
  await sql`delete from waiting_list w
    where exists (select from assignments a where a.email = w.email and a.released_at is null)`.execute(trx);
}

/**
 * The rows of VMs are locked before those of people, in the same order as a claim. A VM whose reservation ran out goes to the next
 * person, not back to the one who missed it, who is first for the VM after that.
 */
function reservations({ open, until }: Sweep) {
  return sql<Reservation>`
with held as (
  select v.hostname, v.reserved_for, ${open}::boolean and ${condition(isFree('v'))} as is_claimable
  from vms v where v.reserved_for is not null and (v.reserved_until <= now() or not ${open}::boolean or not ${condition(isFree('v'))})
  for no key update of v skip locked
), people as (
  select w.id, row_number() over (order by w.called_at nulls last, w.position, w.id) as turn
  from waiting_list w left join waiting_presence p using (id)
  where ${open}::boolean and w.left_at is null and w.reserved_vm is null
    and (w.called_at is not null or p.present_at > now() - make_interval(secs => ${PRESENT_SECONDS}))
  order by turn limit ${sql.lit(MAX_PICKED)}
), passed as (
  select hostname from held where is_claimable
), free as (
  ${sql.raw(freeVmsSql('(select greatest(0, (select count(*) from people) - (select count(*) from passed)))', 'skip locked', LASTS))}
), machines as (
  select hostname, row_number() over (order by is_free, place) as turn from (
    select hostname, false as is_free, row_number() over (order by hostname) as place from passed
    union all
    select hostname, true, row_number() over () from free
  ) as all_of_them
), given as (
  update vms v set reserved_for = next.id,
    reserved_until = case when next.id is not null then least(now() + make_interval(secs => ${RESERVATION_SECONDS}),
      ${until}::timestamptz, v.shutdown_at) end
  from (
    select machines.hostname, people.id from machines left join people using (turn)
    union all
    select hostname, null from held where not is_claimable
  ) as next
  where v.hostname = next.hostname
  returning v.hostname, v.reserved_for
), ended as (
  update waiting_list w set reserved_vm = null, called_at = null, missed = missed + is_claimable::int,
    left_at = case when is_claimable and missed + 1 >= ${MAX_MISSED} then now() end,
    left_reason = case when is_claimable and missed + 1 >= ${MAX_MISSED} then 'missed' end
  from held where w.id = held.reserved_for
), taken as (
  update waiting_list w set reserved_vm = given.hostname from given where w.id = given.reserved_for
)
select reserved_for as id, hostname from given where reserved_for is not null`;
}

/** Deletes the places that nobody has asked about for a long time. */
export async function forgetPlaces(db: Db): Promise<void> {
  await withListLock(db, (trx) =>
    sql`delete from waiting_list w where reserved_vm is null
      and greatest(since, left_at, (select present_at from waiting_presence p where p.id = w.id))
        < now() - make_interval(hours => ${FORGOTTEN_HOURS})`.execute(trx),
  );
}

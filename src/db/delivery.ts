// Deliveries: the command for a waiting VM, and which VMs are waiting.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import type { Locking } from './free-vms.ts';
import { grouped } from './grouped.ts';
import { condition, statusIs } from './predicates.ts';
import { endSilence } from './silence.ts';

/** The most deliveries of one statement, and how many wait at most: a poll of each VM that a process serves. */
const MAX_GROUP = 100;
const MAX_WAITING = 20_000;
/** Nobody has acknowledged the command of this live assignment `a`. */
const IS_DUE = condition('a.released_at is null and a.acknowledged_at is null and a.reassigned_at is null');

export type Delivery = {
  readonly assignmentId: string;
  readonly command: string;
  readonly pin: string;
  readonly commandNumber: number;
  /** From the request of the participant until now; null where the command had been delivered before. */
  readonly waitedSeconds: number | null;
};

type Fetch = { readonly hostname: string; readonly codeLifetimeSeconds: number };

/**
 * Takes the command of this VM's live assignment, marking it delivered; null = nothing to deliver. A command is given
 * again only while nobody has acknowledged it and it is younger than `codeLifetimeSeconds`.
 */
export async function takeDelivery(
  db: Db,
  hostname: string,
  codeLifetimeSeconds: number,
): Promise<Delivery | null> {
  return takeInGroup(db, { hostname, codeLifetimeSeconds });
}

const takeInGroup = grouped<Fetch, Delivery | null>({
  name: 'deliveries',
  keyOf: ({ hostname }) => hostname,
  maxSize: MAX_GROUP,
  maxWaiting: MAX_WAITING,
  together: takeTogether,
  alone: async (db, fetch) => (await take(db, [fetch], '')).get(fetch.hostname)?.delivery ?? null,
});

/** Those whose row is locked are served alone. */
async function takeTogether(db: Db, fetches: readonly Fetch[]): Promise<(Delivery | null | undefined)[]> {
  const found = await take(db, fetches, 'skip locked');
  return fetches.map(({ hostname }) => {
    const row = found.get(hostname);
    return row ? (row.delivery ?? undefined) : null;
  });
}

/**
 * By hostname, for those that have a command to fetch. No delivery: the row is locked, or has changed meanwhile. `offset 0` makes
 * Postgres look up one assignment for each VM: when everybody joins, its statistics still say that there are none, and it would read
 * all of them, and for each all VMs of the group (50 times as long).
 */
async function take(
  db: Db,
  fetches: readonly Fetch[],
  locking: Locking,
): Promise<Map<string, { readonly delivery: Delivery | null }>> {
  const { rows } = await sql<{ hostname: string } & DeliveryRow>`
    with due as (
      select v.hostname, a.id, given.seconds
      from unnest(${fetches.map(({ hostname }) => hostname)}::text[],
                  ${fetches.map(({ codeLifetimeSeconds }) => codeLifetimeSeconds)}::float8[]) as given (hostname, seconds)
      join vms v on v.hostname = given.hostname and ${condition(statusIs('deliverable', 'v'))}
      cross join lateral (
        select a.id from assignments a
        where a.id = v.assignment_id and ${IS_DUE} and a.command_at > now() - make_interval(secs => given.seconds) offset 0
      ) as a
    ), held as (
      select a.id, case when a.delivered_at is null then extract(epoch from now() - a.command_at)::float8 end as waited
      from due join assignments a on a.id = due.id
      where a.hostname = due.hostname and ${IS_DUE} and a.command_at > now() - make_interval(secs => due.seconds)
      for no key update of a ${sql.raw(locking)}
    ), taken as (
      update assignments a set delivered_at = coalesce(a.delivered_at, now()) from held where a.id = held.id
      returning a.id, a.crd_command, a.pin, a.command_number, held.waited
    )
    select due.hostname, taken.id as "assignmentId", crd_command as command, pin, command_number as "commandNumber",
      waited as "waitedSeconds"
    from due left join taken on taken.id = due.id`.execute(db);
  return new Map(rows.map(({ hostname, ...row }) => [hostname, { delivery: readDelivery(row) }]));
}

type DeliveryRow = { readonly [K in keyof Delivery]: Delivery[K] | null };

function readDelivery({
  assignmentId,
  command,
  pin,
  commandNumber,
  waitedSeconds,
}: DeliveryRow): Delivery | null {
  if (assignmentId === null || command === null || pin === null || commandNumber === null) return null;
  return { assignmentId, command, pin, commandNumber, waitedSeconds };
}

/** Those of these VMs that have a command to fetch. For the slow timer and after a reconnect of the listener. */
export async function withDelivery(
  db: Db,
  hostnames: readonly string[],
  codeLifetimeSeconds: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('vms as v')
    .innerJoin('assignments as a', 'a.id', 'v.assignment_id')
    .select('v.hostname')
    .where('v.hostname', '=', sql<string>`any(${hostnames}::text[])`)
    .where(IS_DUE)
    .where('a.command_at', '>', sql<Date>`now() - make_interval(secs => ${codeLifetimeSeconds}::float8)`)
    .execute();
  return rows.map(({ hostname }) => hostname);
}

/** A waiting VM, and whether its agent will acknowledge the command. */
export type WaitingVm = { readonly hostname: string; readonly confirms: boolean };

export type Lease = {
  readonly seconds: number;
  /** The id of the allocator where these VMs wait. */
  readonly allocator: string;
  /** Other allocators are notified on it of newer polls of VMs that wait there. */
  readonly channel: string;
  /** Their polls are not new: where a newer poll waits at another allocator, that one has the lease. */
  readonly renews?: boolean;
};

/**
 * Records or renews that these VMs wait: one statement, in a fixed order of rows. Returns those of which a newer poll waits at another
 * allocator.
 */
export async function leaseWaiting(
  db: Db,
  waiting: readonly WaitingVm[],
  { seconds, allocator, channel, renews = false }: Lease,
): Promise<string[]> {
  if (waiting.length === 0) return [];
  await endSilence(
    db,
    waiting.map(({ hostname }) => hostname),
  );
  const { rows } = await sql<{ hostname: string; isLeased: boolean }>`
    with given as (
      select v.hostname, given.confirms, v.assignment_id is null as available
      from unnest(${waiting.map(({ hostname }) => hostname)}::text[], ${waiting.map(({ confirms }) => confirms)}::boolean[])
        as given (hostname, confirms)
      join vms v on v.hostname = given.hostname
    ), elsewhere as (
      select p.hostname from given join vm_presence p on p.hostname = given.hostname
      where p.waits_at <> ${allocator}::uuid and p.waiting_until >= now()
    ), leased as (
      insert into vm_presence (hostname, last_seen_at, confirms, waiting_until, waits_at, available)
      select hostname, now(), confirms, now() + make_interval(secs => ${seconds}::float8), ${allocator}::uuid, available
      from given order by hostname
      on conflict (hostname) do update set
        last_seen_at = now(), confirms = excluded.confirms, waiting_until = excluded.waiting_until,
        waits_at = excluded.waits_at, available = excluded.available
      where not ${renews}::boolean or coalesce(vm_presence.waits_at = excluded.waits_at, true)
        or coalesce(vm_presence.waiting_until < now(), true)
      returning hostname
    )
    select elsewhere.hostname, leased.hostname is not null as "isLeased",
      case when leased.hostname is not null
        then pg_notify(${channel}, json_build_object('PolledAgain', leased.hostname, 'At', ${allocator}::text)::text) end
    from elsewhere left join leased on leased.hostname = elsewhere.hostname`.execute(db);
  return rows.flatMap(({ hostname, isLeased }) => (isLeased ? [] : [hostname]));
}

/** These VMs no longer wait at this allocator; some may wait at another one by now. */
export async function endWaiting(db: Db, hostnames: readonly string[], allocator: string): Promise<void> {
  if (hostnames.length === 0) return;
  await sql`
    with ended as (
      select hostname from vm_presence where hostname = any(${hostnames}::text[])
        and coalesce(waits_at = ${allocator}::uuid, true) order by hostname for update
    )
    update vm_presence p set waiting_until = null, available = false from ended where p.hostname = ended.hostname`.execute(
    db,
  );
}

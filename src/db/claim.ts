// The claim: one statement that finds free VMs, changes their rows, writes the assignments and notifies, for one participant or
// for a group. Its text is exported, because the benchmark runs the same statement through pgbench.
import { CompiledQuery } from 'kysely';
import type { Db } from './connect.ts';
import { freeVmsSql, type Locking } from './free-vms.ts';
import { BOUNDED } from './grouped.ts';
import { isFree } from './predicates.ts';
import type { PreparedNames } from './prepared.ts';
import { SETTINGS_VERSION } from './settings-version.ts';

export type Claim = {
  readonly assignmentId: string;
  /** Normalized: see vms/email.ts. */
  readonly email: string;
  readonly browserId: string;
  readonly crdCommand: string;
  readonly pin: string;
  /** The address of the client. */
  readonly address: string;
  /** What it is counted by. */
  readonly network: string;
  /** The NOTIFY channel. */
  readonly channel: string;
  /** Version of the settings that admit this participant; where they have changed since, nothing is assigned. Null: not checked. */
  readonly settingsVersion: string | null;
};

/** `given`: a new assignment. `live`: the e-mail already has one, and nothing was changed. */
export type ClaimRow = {
  readonly outcome: 'given' | 'live';
  readonly id: string;
  readonly hostname: string;
  readonly pin: string;
};

/** Somebody on the waiting list has no VM reserved yet: nobody may pass them. */
export const SOMEBODY_WAITS = `exists (select from waiting_list where left_at is null and reserved_vm is null)`;

/**
 * The locked rows are the changed rows: READ COMMITTED checks them again after the lock, so no VM is assigned twice.
 * `no key update` does not block the foreign keys of presence and logs. Who comes first is served first. Assignments are
 * inserted in the order of e-mails, so that two allocators never wait for each other.
 * Who is on the waiting list gets the VM that is reserved for them, or none; others get none while somebody waits for one.
 */
export function claimSql(locking: Locking): string {
  // A group waits only where another allocator is inserting one of its e-mails. If that one hangs, the group fails soon.
  const bounded = locking === '' ? '' : BOUNDED;
  return `
with given as (
  select given.* from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[])
    with ordinality as given (id, email, browser_id, crd_command, pin, address, channel, network, settings, place)${bounded}
), live as (
  select given.place, a.id, a.hostname, a.pin
  -- By the parameter: the plan is made while nobody has a VM, and would compare each of the group with each assignment.
  from (
    select id, hostname, pin, email from assignments where email = any($2::text[]) and released_at is null offset 0
  ) as a join given on given.email = a.email
), outdated as (
  select place from given
  where settings <> ${SETTINGS_VERSION} and not exists (select from live where live.place = given.place)
), asking as (
  select given.* from given where not exists (select from live where live.place = given.place)
    and not exists (select from outdated where outdated.place = given.place)
), listed as (
  select asking.place, asking.id, w.id as waiting_id, w.reserved_vm, asking.browser_id = any(w.browsers) as is_own
  from asking join waiting_list w on w.email = asking.email and w.left_at is null
), reserved as (
  select v.hostname, listed.id from listed join vms v on v.hostname = listed.reserved_vm
  where listed.is_own and v.reserved_for = listed.waiting_id and v.reserved_until > now() and ${isFree('v')}
  for no key update of v ${locking}
), newcomers as (
  select asking.id, row_number() over (order by place) as turn
  from asking where not ${SOMEBODY_WAITS} and not exists (select from listed where listed.place = asking.place)
), picked as (
  select hostname, row_number() over () as turn
  from (${freeVmsSql('(select count(*) from newcomers)', locking)}) as free
), chosen as (
  select hostname, newcomers.id from picked join newcomers using (turn)
  union all
  select hostname, id from reserved
), claimed as (
  update vms v set assignment_id = chosen.id, reserved_for = null, reserved_until = null from chosen
  where v.hostname = chosen.hostname
  returning v.hostname, v.assignment_id
), served as (
  delete from waiting_list w using claimed join asking on asking.id = claimed.assignment_id
  where w.email = asking.email
), assigned as (
  insert into assignments (id, hostname, email, browsers, crd_command, pin, requested_from, requested_network)
  select id, hostname, email, array[browser_id], crd_command, pin, address, network
  from claimed join asking on asking.id = claimed.assignment_id
  order by email
  returning id, hostname, pin, crd_command
)
select place::int, 'given' as outcome, id, hostname, assigned.pin,
       pg_notify(channel, json_build_object('HostName', hostname, 'CrdCommand', assigned.crd_command,
         'Pin', assigned.pin)::text)::text as notified
from assigned join asking using (id)
union all
select place::int, 'live', id, hostname, pin, null from live
union all
select place::int, 'outdated', null, null, null, null from outdated`;
}

const skipping = claimSql('skip locked');
const waiting = claimSql('');

/** Without preparation, claims take a third longer (docs/performance.md). */
export const preparedClaim: PreparedNames = new Map([[skipping, 'claim']]);

/**
 * Runs the claims of different e-mails, at most `MAX_PICKED`. Null = no VM is free for this one (when skipping: none that is not
 * locked at this moment). `outdated`: the settings are of another version, and nothing was changed.
 */
export async function claim(
  db: Db,
  claims: readonly Claim[],
  locking: Locking,
): Promise<(ClaimRow | 'outdated' | null)[]> {
  const { rows } = await db.executeQuery<
    { readonly place: number } & (ClaimRow | { readonly outcome: 'outdated' })
  >(
    CompiledQuery.raw(locking === '' ? waiting : skipping, [
      claims.map(({ assignmentId }) => assignmentId),
      claims.map(({ email }) => email),
      claims.map(({ browserId }) => browserId),
      claims.map(({ crdCommand }) => crdCommand),
      claims.map(({ pin }) => pin),
      claims.map(({ address }) => address),
      claims.map(({ channel }) => channel),
      claims.map(({ network }) => network),
      claims.map(({ settingsVersion }) => settingsVersion),
    ]),
  );
  const byPlace = new Map(
    rows.map(({ place, ...row }) => [place, row.outcome === 'outdated' ? row.outcome : row] as const),
  );
  return claims.map((_, index) => byPlace.get(index + 1) ?? null);
}

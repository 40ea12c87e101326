// The claim: one statement that finds a free VM, changes its row, writes the assignment and notifies.
// Its text is exported, because the benchmark runs the same statement through pgbench.
import { CompiledQuery } from 'kysely';
import type { Db } from './connect.ts';
import { isFree, isGpuUnhealthy } from './predicates.ts';
import type { PreparedNames } from './prepared.ts';

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
};

/** `given`: a new assignment. `live`: the e-mail already has one, and nothing was changed. */
export type ClaimRow = {
  readonly outcome: 'given' | 'live';
  readonly id: string;
  readonly hostname: string;
  readonly pin: string;
};

/** Whether to skip rows that another transaction has locked, or to wait for them. */
export type Locking = 'skip locked' | '';

/**
 * Whether the agent waits: its lease has not run out. After an outage of the database all leases have, for nobody could
 * renew them: then those count that were renewed last.
 */
const LAST_LEASES = `(select case when max(waiting_until) > now() - interval '10 minutes'
                      then least(now(), max(waiting_until) - interval '5 seconds') else now() end from vm_presence)`;

/** VMs whose agent is waiting come first, then those seen recently; VMs with an unhealthy GPU come last. */
export const CLAIM_ORDER = `${isGpuUnhealthy('v')},
           (p.waiting_until is not null and p.waiting_until > coalesce(${LAST_LEASES}, now())) desc,
           date_trunc('minute', p.last_seen_at) desc nulls last,
           v.hostname`;

/**
 * The locked row is the changed row: READ COMMITTED checks it again after the lock, so no VM is assigned twice.
 * `no key update` does not block the foreign keys of presence and logs.
 */
export function claimSql(locking: Locking): string {
  return `
with live as (
  select id, hostname, pin from assignments where email = $2 and released_at is null
), picked as (
  select v.hostname
  from vms v left join vm_presence p on p.hostname = v.hostname
  where ${isFree('v')} and not exists (select 1 from live)
  order by ${CLAIM_ORDER}
  for no key update of v ${locking} limit 1
), claimed as (
  update vms v set assignment_id = $1 from picked
  where v.hostname = picked.hostname
  returning v.hostname
), given as (
  insert into assignments (id, hostname, email, browsers, crd_command, pin, requested_from, requested_network)
  select $1, hostname, $2, array[$3::text], $4, $5, $7, $8 from claimed
  returning id, hostname, pin, crd_command
)
select 'given' as outcome, id, hostname, pin,
       pg_notify($6, json_build_object('HostName', hostname, 'CrdCommand', crd_command, 'Pin', pin)::text)::text as notified
from given
union all
select 'live', id, hostname, pin, null from live`;
}

const skipping = claimSql('skip locked');
const waiting = claimSql('');

/** Without preparation, claims take a third longer (docs/performance.md). */
export const preparedClaim: PreparedNames = new Map([[skipping, 'claim']]);

/** Runs the claim; null = no VM is free (when skipping: none that is not locked at this moment). */
export async function claim(db: Db, given: Claim, locking: Locking): Promise<ClaimRow | null> {
  const { rows } = await db.executeQuery<ClaimRow>(
    CompiledQuery.raw(locking === '' ? waiting : skipping, [
      given.assignmentId,
      given.email,
      given.browserId,
      given.crdCommand,
      given.pin,
      given.channel,
      given.address,
      given.network,
    ]),
  );
  return rows[0] ?? null;
}

// The claim: one statement that finds a free machine, changes its row, writes the assignment and notifies.
// Exported as text too, because the bench runs the very same statement through pgbench.
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
  /** The NOTIFY channel. */
  readonly channel: string;
};

/** `given`: it is new. `live`: this e-mail has one already, and nothing was changed. */
export type ClaimRow = {
  readonly outcome: 'given' | 'live';
  readonly id: string;
  readonly hostname: string;
  readonly pin: string;
};

/** Whether rows that another transaction has locked are skipped, or waited for. */
export type Locking = 'skip locked' | '';

/** Machines whose agent waits right now, then those seen lately; an unhealthy GPU only when no other is free. */
export const CLAIM_ORDER = `${isGpuUnhealthy('v')},
           (p.waiting_until is not null and p.waiting_until > now()) desc,
           date_trunc('minute', p.last_seen_at) desc nulls last,
           v.hostname`;

/**
 * The locked row is the one that is changed: under READ COMMITTED it is checked again after the lock, so no machine is
 * given twice. `no key update` lets the foreign keys of presence and logs pass.
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
  insert into assignments (id, hostname, email, browsers, crd_command, pin)
  select $1, hostname, $2, array[$3::text], $4, $5 from claimed
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

/** Planned every time, claims take a third longer (docs/performance.md). */
export const preparedClaim: PreparedNames = new Map([[skipping, 'claim']]);

/** Runs the claim; null = nothing free (or, when skipping, nothing that is not locked at this moment). */
export async function claim(db: Db, given: Claim, locking: Locking): Promise<ClaimRow | null> {
  const { rows } = await db.executeQuery<ClaimRow>(
    CompiledQuery.raw(locking === '' ? waiting : skipping, [
      given.assignmentId,
      given.email,
      given.browserId,
      given.crdCommand,
      given.pin,
      given.channel,
    ]),
  );
  return rows[0] ?? null;
}

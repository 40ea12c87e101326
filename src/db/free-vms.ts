// Which free VM is given next. The VMs of the first two kinds are read in the order of an index, so that the cost does not depend
// on how many are free; only what is left is sorted.
import { isGpuUnhealthy, isUnreserved } from './predicates.ts';

/** Whether to skip rows that another transaction has locked, or to wait for them. */
export type Locking = 'skip locked' | '';

/** The most VMs of one statement. A constant, so that the planner knows that it is worth reading an index in its order. */
export const MAX_PICKED = 64;

/**
 * After an outage of the database all leases have run out, for nobody could renew them: then those count that were renewed
 * last.
 */
const LAST_LEASES = `(select case when max(waiting_until) > now() - interval '10 minutes'
                      then least(now(), max(waiting_until) - interval '5 seconds') else now() end from vm_presence)`;

/** The second condition reads all leases; it is only evaluated for a lease that has run out. */
const WAITS = `(p.available and (p.waiting_until > now() or p.waiting_until > coalesce(${LAST_LEASES}, now())))`;
const SEEN = `p.last_seen_at > now() - interval '1 minute'`;
const HEALTHY = `${isUnreserved('v')} and not ${isGpuUnhealthy('v')}`;

/**
 * The hostnames of at most `count` free VMs that are not reserved, locked, in the order in which they are given: VMs whose agent waits, then those
 * seen recently, then any; VMs with an unhealthy GPU last.
 * @param also a further condition on `v`
 */
export function freeVmsSql(count: string, locking: Locking, also = 'true'): string {
  const locked = `for no key update of v ${locking} limit ${MAX_PICKED}`;
  return `
  select hostname from (
    select * from (
      select v.hostname from vm_presence p join vms v on v.hostname = p.hostname
      where ${WAITS} and ${HEALTHY} and ${also} order by p.hostname ${locked}
    ) as waiting
    union all
    select * from (
      select v.hostname from vms v join vm_presence p on p.hostname = v.hostname
      where ${HEALTHY} and ${SEEN} and ${WAITS} is not true and ${also} order by v.hostname ${locked}
    ) as seen
    union all
    select * from (
      select v.hostname from vms v left join vm_presence p on p.hostname = v.hostname
      where ${isUnreserved('v')} and (${HEALTHY} and (${SEEN} or ${WAITS})) is not true and ${also}
      order by ${isGpuUnhealthy('v')}, (${WAITS}) is true desc, date_trunc('minute', p.last_seen_at) desc nulls last,
        v.hostname ${locked}
    ) as others
  ) as free limit ${count}`;
}

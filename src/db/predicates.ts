// The predicates of vms/lifecycle.ts and vms/status.ts as SQL. test/db/predicates.test.ts holds them together. The conditions
// are text without parameters, so that the claim can be a prepared statement and the planner can use the partial index on free
// VMs.
import { sql, type RawBuilder } from 'kysely';
import { statusesThatAre, type StatusMeaning } from '../vms/lifecycle.ts';

/** The status of `vm` (an alias of `vms`) has this meaning. */
export function statusIs(meaning: StatusMeaning, vm = 'vms'): string {
  const statuses = statusesThatAre(meaning).map((status) => `'${status}'`);
  return statuses.length === 1
    ? `${vm}.status = ${statuses.join()}`
    : `${vm}.status in (${statuses.join(', ')})`;
}

/** One machine reports under this hostname, as it should be. */
const isSingle = (vm: string): string => `${vm}.twin_since is null`;

export const isFree = (vm = 'vms'): string =>
  `(${vm}.assignment_id is null and ${statusIs('usable', vm)} and ${isSingle(vm)})`;

/** Free, and not reserved for a person of the waiting list. */
export const isUnreserved = (vm = 'vms'): string => `(${isFree(vm)} and ${vm}.reserved_for is null)`;

export const isGpuUnhealthy = (vm = 'vms'): string => `(${vm}.gpu_health is not distinct from 'Unhealthy')`;

export const isIdle = (vm = 'vms'): string => `(${isFree(vm)} and not ${isGpuUnhealthy(vm)})`;

export const isUnhealthy = (vm = 'vms'): string =>
  `(${statusIs('failed', vm)} or ${isGpuUnhealthy(vm)} or not ${isSingle(vm)})`;

/** The VM is unreachable only because it stopped responding. */
export const isSilent = (vm = 'vms'): string => `(${vm}.silent_since is not null)`;

/** The assignment on the VM has ended, but the VM has not been reset. */
export const isReleased = (vm = 'vms'): string =>
  `exists (select from assignments held where held.id = ${vm}.assignment_id and held.released_at is not null)`;

export const isAssigned = (vm = 'vms'): string =>
  `(${vm}.assignment_id is not null and not ${isReleased(vm)})`;

/** The agent is asking for a command. `presence` is an alias of `vm_presence`. */
export const isWaiting = (presence = 'p'): string => `coalesce(${presence}.waiting_until > now(), false)`;

/** A predicate, for Kysely's `where`. */
export function condition(text: string): RawBuilder<boolean> {
  return sql.raw<boolean>(text);
}

// What an operation on several VMs does with one of them, in one transaction with its audit event: only while nobody else has the VM
// than the participants whom the admin saw.
import { sql } from 'kysely';
import { readProvider } from '../provision/providers.ts';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { condition, isReleased } from './predicates.ts';
import { endAssignment } from './recycling.ts';
import { beginRestart, lockLive, type LiveAssignment } from './vm-actions.ts';

/** One VM of an operation. */
export type SelectedVm = {
  readonly hostname: string;
  /** The live assignments that may be affected; null = any. */
  readonly assignmentIds: readonly string[] | null;
  /** The admin, for the audit. */
  readonly by: string;
  readonly operationId: string;
};

/** `changed`: somebody else has the VM; nothing was done. */
export type Refused =
  { readonly kind: 'unknown' | 'not_assigned' } | { readonly kind: 'changed'; readonly email: string };

/** Ends the assignment of the VM; the VM waits for its reset. */
export async function releaseSelected(
  db: Db,
  { hostname, by, operationId, ...expected }: SelectedVm,
): Promise<Refused | { readonly kind: 'released'; readonly email: string }> {
  return db.transaction().execute(async (trx) => {
    const found = await lockAsSeen(trx, { hostname, ...expected });
    if (found.kind !== 'as_seen') return found;
    if (!found.live) return { kind: 'not_assigned' };
    await endAssignment(trx, { id: found.live.id, hostname, by, operationId });
    return { kind: 'released', email: found.live.email };
  });
}

/** Makes the VM `initializing` before its restart. `destroying`: it cannot be restarted. `elsewhere`: not by this provider. */
export async function beginSelectedRestart(
  db: Db,
  { hostname, by, operationId, ...expected }: SelectedVm,
  isOwn: (vm: { readonly provider: Provider }) => boolean,
): Promise<
  | Refused
  | { readonly kind: 'destroying' }
  | { readonly kind: 'elsewhere'; readonly provider: Provider }
  | { readonly kind: 'begun'; readonly before: string; readonly email: string | null }
> {
  return db.transaction().execute(async (trx) => {
    const found = await lockAsSeen(trx, { hostname, ...expected });
    if (found.kind !== 'as_seen') return found;
    const { live, provider } = found;
    if (!isOwn({ provider })) return { kind: 'elsewhere', provider };
    const begun = await beginRestart(trx, { hostname, by, operationId, detail: live?.email ?? '' });
    return begun
      ? { kind: 'begun', before: begun.status, email: live?.email ?? null }
      : { kind: 'destroying' };
  });
}

async function lockAsSeen(
  trx: Db,
  { hostname, assignmentIds }: Pick<SelectedVm, 'hostname' | 'assignmentIds'>,
): Promise<
  Refused | { readonly kind: 'as_seen'; readonly live: LiveAssignment | null; readonly provider: Provider }
> {
  const live = await lockLive(trx, hostname);
  const vm = await trx
    .selectFrom('vms')
    .select('provider')
    .where('hostname', '=', hostname)
    .executeTakeFirst();
  if (!vm) return { kind: 'unknown' };
  if (live && assignmentIds !== null && !assignmentIds.includes(live.id))
    return { kind: 'changed', email: live.email };
  return { kind: 'as_seen', live, provider: readProvider(vm.provider) };
}

/**
 * `v` has no participant, or one of these assignments. It looks at the row of the VM alone, because a claim changes that: a statement
 * that has waited for the lock sees the new value.
 */
export function isAsSeen(assignmentIds: readonly string[]) {
  return sql<boolean>`(v.assignment_id is null or v.assignment_id = any(${assignmentIds}::uuid[])
    or ${condition(isReleased('v'))})`;
}

/** Of these VMs: those that somebody else has. */
export async function findChanged(
  db: Db,
  hostnames: readonly string[],
  assignmentIds: readonly string[],
): Promise<{ readonly hostname: string; readonly email: string }[]> {
  return db
    .selectFrom('vms as v')
    .innerJoin('assignments as a', 'a.id', 'v.assignment_id')
    .select(['v.hostname', 'a.email'])
    .where('v.hostname', '=', sql<string>`any(${hostnames}::text[])`)
    .where((build) => build.not(isAsSeen(assignmentIds)))
    .orderBy('v.hostname')
    .execute();
}

// The only writer of vms.status. Carries out the table of vms/lifecycle.ts: an event changes the VMs whose status it may
// change, in one statement, and is noted with the status (a trigger copies both to vm_events).
import { sql, type InsertObject, type RawBuilder } from 'kysely';
import {
  changes,
  outcomeOf,
  readVmStatus,
  refuses,
  vmStates,
  vmStatuses,
  type CreationEvent,
  type StatusEvent,
  type VmEvent,
} from '../vms/lifecycle.ts';
import { reportRefusal, type Db } from './connect.ts';
import type { Locking } from './free-vms.ts';
import type { DB } from './schema.gen.ts';

export type Transition = {
  /** Which VMs, of those whose status allows it; a condition on `v`. */
  readonly where: RawBuilder<unknown>;
  /** They are one at most: the statement is simpler. */
  readonly one?: boolean;
  /** Of several: whether to leave out those that another transaction has locked. */
  readonly locking?: Locking;
  /** What else changes in the same row. */
  readonly set?: RawBuilder<unknown>;
  /** The status of `v` before the action that has failed. */
  readonly before?: RawBuilder<string>;
};

/**
 * The UPDATE for an event, to run alone or as part of a statement. It returns the hostnames that it has changed. Several rows are
 * locked in the order of hostnames, so that two of them never wait for each other; rows that stay as they are, are not locked.
 */
export function transition(
  event: StatusEvent,
  { one = false, locking = '', ...scope }: Transition,
): RawBuilder<ChangedVm> {
  const { where, set, before } = scope;
  const changing = vmStatuses.filter((status) => changes(event, status));
  const next = changing.map((status) => {
    const outcome = outcomeOf(event, status);
    return sql`when ${sql.lit(status)} then ${outcome === 'before' ? before : sql.lit(outcome)}`;
  });
  const due = sql`${statusChangedBy(event)} and ${where}`;
  const ordered = sql`from (
      select v.hostname from vms v where ${due} order by v.hostname for no key update ${sql.raw(locking)}
    ) as due where v.hostname = due.hostname`;
  return sql<ChangedVm>`
    update vms v set status = case v.status ${sql.join(next, sql` `)} end, status_since = now(),
      status_event = ${sql.lit(event)}${set ? sql`, ${set}` : sql``}
    ${one ? sql`where ${due}` : ordered}
    returning v.hostname`;
}

/** The status of `v` is one that this event changes. */
export function statusChangedBy(event: StatusEvent): RawBuilder<boolean> {
  const changing = vmStatuses.filter((status) => changes(event, status));
  return sql<boolean>`v.status in (${sql.join(changing.map((status) => sql.lit(status)))})`;
}

type ChangedVm = { readonly hostname: string };

/** Records an event of these VMs. Returns those that it has changed; a refusal is logged. */
export async function recordEvent(
  db: Db,
  event: StatusEvent,
  hostnames: readonly string[],
  { where = sql`true`, ...rest }: Partial<Transition> = {},
): Promise<string[]> {
  if (hostnames.length === 0) return [];
  const one = hostnames.length === 1;
  const these = one ? sql`v.hostname = ${hostnames[0]}` : sql`v.hostname = any(${hostnames}::text[])`;
  const scope = { ...rest, one, where: sql`${these} and ${where}` };
  const { rows } = await transition(event, scope).execute(db);
  const changed = rows.map(({ hostname }) => hostname);
  await logRefusals(db, event, hostnames, changed);
  return changed;
}

type NewVm = Omit<InsertObject<DB, 'vms'>, 'status' | 'status_since' | 'status_event'> & {
  readonly hostname: string;
};

/** Adds the rows of VMs. Returns the hostnames that were not taken; a refusal is logged. */
export async function addVms(db: Db, event: CreationEvent, vms: readonly NewVm[]): Promise<string[]> {
  const status = outcomeOf(event, 'none');
  const added = await db
    .insertInto('vms')
    .values(vms.map((vm) => ({ ...vm, status, status_event: event })))
    .onConflict((conflict) => conflict.column('hostname').doNothing())
    .returning('hostname')
    .execute();
  const free = added.map(({ hostname }) => hostname);
  await logRefusals(
    db,
    event,
    vms.map(({ hostname }) => hostname),
    free,
  );
  return free;
}

/** Removes the rows of VMs. */
export async function removeVms(db: Db, hostnames: readonly string[]): Promise<void> {
  await db
    .deleteFrom('vms')
    .where('hostname', 'in', hostnames)
    .where(
      'status',
      'in',
      vmStatuses.filter((status) => changes('remove', status)),
    )
    .execute();
}

/** Of the VMs that the event did not change: those whose state refuses it. */
async function logRefusals(
  db: Db,
  event: VmEvent,
  hostnames: readonly string[],
  changed: readonly string[],
): Promise<void> {
  const others = hostnames.filter((hostname) => !changed.includes(hostname));
  if (others.length === 0 || !vmStates.some((state) => refuses(event, state))) return;
  const { rows } = await sql<{ hostname: string; status: string | null }>`
    select hostname, v.status
    from unnest(${others}::text[]) as given (hostname) left join vms v using (hostname)`.execute(db);
  for (const { hostname, status } of rows) {
    const state = status === null ? 'none' : readVmStatus(status);
    if (refuses(event, state)) reportRefusal(db, { hostname, event, state });
  }
}

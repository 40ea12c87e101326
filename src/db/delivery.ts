// Deliveries: the command for a waiting VM, and which VMs are waiting.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { condition, statusIs } from './predicates.ts';
import { endSilence } from './silence.ts';

export type Delivery = {
  readonly assignmentId: string;
  readonly command: string;
  readonly pin: string;
  readonly commandNumber: number;
};

/**
 * Takes the command of this VM's live assignment, marking it delivered; null = nothing to deliver. A command is given
 * again only while nobody has acknowledged it and it is younger than `codeLifetimeSeconds`.
 */
export async function takeDelivery(
  db: Db,
  hostname: string,
  codeLifetimeSeconds: number,
): Promise<Delivery | null> {
  const row = await db
    .updateTable('assignments as a')
    .from('vms as v')
    .set({ delivered_at: sql<Date>`coalesce(a.delivered_at, now())` })
    .where('v.hostname', '=', hostname)
    .whereRef('a.id', '=', 'v.assignment_id')
    .where('a.released_at', 'is', null)
    .where('a.acknowledged_at', 'is', null)
    .where('a.reassigned_at', 'is', null)
    .where('a.command_at', '>', olderThan(codeLifetimeSeconds))
    .where(condition(statusIs('deliverable', 'v')))
    .returning(['a.id', 'a.crd_command', 'a.pin', 'a.command_number'])
    .executeTakeFirst();
  if (!row) return null;
  return { assignmentId: row.id, command: row.crd_command, pin: row.pin, commandNumber: row.command_number };
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
    .where('a.released_at', 'is', null)
    .where('a.acknowledged_at', 'is', null)
    .where('a.reassigned_at', 'is', null)
    .where('a.command_at', '>', olderThan(codeLifetimeSeconds))
    .execute();
  return rows.map(({ hostname }) => hostname);
}

function olderThan(seconds: number) {
  return sql<Date>`now() - make_interval(secs => ${seconds}::float8)`;
}

/** A waiting VM, and whether its agent will acknowledge the command. */
export type WaitingVm = { readonly hostname: string; readonly confirms: boolean };

/** Records or renews that these VMs wait, for `leaseSeconds`: one statement, in a fixed order of rows. */
export async function leaseWaiting(
  db: Db,
  waiting: readonly WaitingVm[],
  leaseSeconds: number,
): Promise<void> {
  if (waiting.length === 0) return;
  await endSilence(
    db,
    waiting.map(({ hostname }) => hostname),
  );
  await sql`
    insert into vm_presence (hostname, last_seen_at, confirms, waiting_until, available)
    select v.hostname, now(), given.confirms, now() + make_interval(secs => ${leaseSeconds}::float8),
           v.assignment_id is null
    from unnest(${waiting.map(({ hostname }) => hostname)}::text[], ${waiting.map(({ confirms }) => confirms)}::boolean[])
      as given (hostname, confirms)
    join vms v on v.hostname = given.hostname
    order by v.hostname
    on conflict (hostname) do update set
      last_seen_at = now(), confirms = excluded.confirms, waiting_until = excluded.waiting_until,
      available = excluded.available`.execute(db);
}

/** These VMs no longer wait. */
export async function endWaiting(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  await sql`
    with ended as (
      select hostname from vm_presence where hostname = any(${hostnames}::text[]) order by hostname for update
    )
    update vm_presence p set waiting_until = null, available = false from ended where p.hostname = ended.hostname`.execute(
    db,
  );
}

export type OutcomeReport = {
  readonly assignmentId: string;
  readonly hostname: string;
  readonly outcome: 'registered' | 'failed';
  readonly commandNumber: number | null;
  readonly message: string | null;
};

export type OutcomeResult = 'recorded' | 'unknown' | 'released' | 'replaced';

/** Records the outcome of a command. A repeated report changes nothing. */
export async function recordOutcome(db: Db, report: OutcomeReport): Promise<OutcomeResult> {
  return db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('assignments')
      .select(['hostname', 'command_number', 'released_at'])
      .where('id', '=', report.assignmentId)
      .forUpdate()
      .executeTakeFirst();
    if (row?.hostname !== report.hostname) return 'unknown';
    if (row.released_at !== null) return 'released';
    if (report.commandNumber !== null && report.commandNumber !== row.command_number) return 'replaced';
    await trx
      .updateTable('assignments')
      .set({
        delivered_at: sql<Date>`coalesce(delivered_at, now())`,
        acknowledged_at: sql<Date>`now()`,
        outcome: report.outcome,
        outcome_message: report.message,
      })
      .where('id', '=', report.assignmentId)
      .execute();
    return 'recorded';
  });
}

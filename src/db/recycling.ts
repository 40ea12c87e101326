// Between two participants: an assignment ends, its VM is reset, and only then is the VM free.
import { sql } from 'kysely';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { grouped, ofReports } from './grouped.ts';
import { condition, isReleased, statusIs } from './predicates.ts';
import { seenOrLate } from './reports.ts';
import { recordEvent } from './transition.ts';

/**
 * Ends an assignment; its VM waits for its reset. An assignment that has already ended stays unchanged.
 * @param by the admin, for the audit
 */
export async function releaseAssignment(
  db: Db,
  id: string,
  by: string | null = null,
): Promise<'released' | 'unknown'> {
  for (;;) {
    const result = await releaseWhereItIs(db, id, by);
    if (result !== 'moved') return result;
  }
}

/** `moved`: an admin has moved the assignment to another VM in the meantime; nothing was changed. */
async function releaseWhereItIs(
  db: Db,
  id: string,
  by: string | null,
): Promise<'released' | 'unknown' | 'moved'> {
  return db.transaction().execute(async (trx) => {
    const found = await hostnameOf(trx, id);
    if (found === null) return 'unknown';
    // Locks the VM before its assignment, in the same order as a claim, a reassignment and a removal of the VM.
    await sql`select from vms where hostname = ${found} for no key update`.execute(trx);
    const hasEnded = await endAssignment(trx, { id, hostname: found, by });
    return hasEnded || (await hostnameOf(trx, id)) === found ? 'released' : 'moved';
  });
}

/**
 * Ends an assignment of a VM that the transaction has locked, and audits it. False if it had ended, or is on another VM.
 * @param by null: not audited
 */
export async function endAssignment(
  trx: Db,
  given: {
    readonly id: string;
    readonly hostname: string;
    readonly by: string | null;
    readonly operationId?: string;
  },
): Promise<boolean> {
  const { id, hostname, by, operationId = null } = given;
  const ended = await trx
    .updateTable('assignments')
    // The transaction may have begun before the assignment.
    .set({ released_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', id)
    .where('hostname', '=', hostname)
    .where('released_at', 'is', null)
    .returning('email')
    .executeTakeFirst();
  if (by !== null && ended)
    await recordAuditEvent(trx, { who: by, what: 'release', detail: ended.email, hostname, operationId });
  await recordEvent(trx, 'release', [hostname], { where: sql`v.assignment_id = ${id}` });
  return ended !== undefined;
}

async function hostnameOf(db: Db, id: string): Promise<string | null> {
  const row = await db.selectFrom('assignments').select('hostname').where('id', '=', id).executeTakeFirst();
  return row?.hostname ?? null;
}

/** The assignment whose files the VM must delete (`assignmentId` null: not known); null if there is nothing to delete. */
type Recycle = { readonly assignmentId: string | null } | null;

export async function pendingRecycle(db: Db, hostname: string): Promise<Recycle> {
  return findInGroup(db, hostname);
}

/** Each heartbeat asks for it. */
const findInGroup = grouped<string, Recycle>({
  name: 'resets',
  ...ofReports,
  together: findPending,
  alone: async (db, hostname) => (await findPending(db, [hostname]))[0] ?? null,
});

async function findPending(db: Db, hostnames: readonly string[]): Promise<Recycle[]> {
  const rows = await db
    .selectFrom('vms as v')
    .leftJoin('assignments as a', 'a.id', 'v.assignment_id')
    .select(['v.hostname', 'v.assignment_id'])
    .where('v.hostname', '=', sql<string>`any(${hostnames}::text[])`)
    .where(condition(statusIs('resettable', 'v')))
    .where(sql<boolean>`(v.status = 'recycling' or a.released_at is not null)`)
    .execute();
  const found = new Map(rows.map((row) => [row.hostname, { assignmentId: row.assignment_id }]));
  return hostnames.map((hostname) => found.get(hostname) ?? null);
}

export type RecycledResult = 'recorded' | 'late' | 'unknown_vm' | 'refused';

/**
 * The VM has been reset and is free. A repeated report changes nothing. `refused`: the VM is assigned, or has the files of
 * another assignment than `assignmentId` (null: any).
 */
export async function recordRecycled(
  db: Db,
  report: { readonly hostname: string; readonly assignmentId: string | null },
): Promise<RecycledResult> {
  const { hostname, assignmentId } = report;
  const seen = await seenOrLate(db, hostname);
  if (seen !== 'recorded') return seen;
  const freed = await recordEvent(db, 'reset', [hostname], {
    where: sql`(${assignmentId}::uuid is null or v.assignment_id = ${assignmentId}::uuid)
      and case when v.assignment_id is null then v.status = 'recycling' else ${condition(isReleased('v'))} end`,
    set: sql`assignment_id = null`,
  });
  if (freed.length > 0) return 'recorded';
  return (await isReset(db, hostname)) ? 'recorded' : 'refused';
}

async function isReset(db: Db, hostname: string): Promise<boolean> {
  const row = await db
    .selectFrom('vms')
    .select('hostname')
    .where('hostname', '=', hostname)
    .where('assignment_id', 'is', null)
    .where('status', '<>', 'recycling')
    .where(condition(statusIs('resettable')))
    .executeTakeFirst();
  return row !== undefined;
}

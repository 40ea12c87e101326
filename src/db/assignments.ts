// Reads assignments.
import { sql } from 'kysely';
import type { AssignmentFacts } from '../vms/assignment.ts';
import { readVmStatus } from '../vms/lifecycle.ts';
import type { Db } from './connect.ts';
import { condition, isWaiting } from './predicates.ts';

export type AssignmentRecord = AssignmentFacts & {
  readonly id: string;
  readonly hostname: string;
  readonly email: string;
  /** On the roster; empty where it has none. */
  readonly name: string;
  readonly pin: string;
  readonly crdCommand: string;
  readonly browsers: readonly string[];
  /** The address of the request that created it; null where it is not known. */
  readonly requestedFrom: string | null;
  /** Wrong PINs since the last right one. */
  readonly pinFailures: number;
  readonly assignedAt: Date;
  readonly acknowledgedAt: Date | null;
  /** What the agent said about the outcome, for admins. */
  readonly outcomeMessage: string | null;
  /** Until then, the next browser does not need the PIN. */
  readonly browserAllowedUntil: Date | null;
};

/** An assignment with the columns that its state depends on. */
export function selectAssignments(db: Db) {
  return db
    .selectFrom('assignments as a')
    .innerJoin('vms as v', 'v.hostname', 'a.hostname')
    .leftJoin('vm_presence as p', 'p.hostname', 'a.hostname')
    .leftJoin('roster as r', 'r.email', 'a.email')
    .select(['a.id', 'a.hostname', 'a.email', 'a.pin', 'a.browsers', 'a.assigned_at', 'a.command_at'])
    .select('a.crd_command')
    .select([
      'a.delivered_at',
      'a.acknowledged_at',
      'a.outcome',
      'a.released_at',
      'v.status',
      'p.confirms',
      'r.name',
    ])
    .select(['a.reassigned_at', 'a.browser_allowed_until', 'a.requested_from', 'a.outcome_message'])
    .select(['a.pin_failures', condition(isWaiting()).as('waiting')]);
}

type Row = Awaited<ReturnType<ReturnType<typeof selectAssignments>['execute']>>[number];

export function readAssignmentRow(row: Row): AssignmentRecord {
  return {
    id: row.id,
    hostname: row.hostname,
    email: row.email,
    name: row.name ?? '',
    pin: row.pin,
    crdCommand: row.crd_command,
    browsers: row.browsers,
    requestedFrom: row.requested_from,
    pinFailures: row.pin_failures,
    assignedAt: row.assigned_at,
    commandAt: row.command_at,
    deliveredAt: row.delivered_at,
    acknowledgedAt: row.acknowledged_at,
    outcomeMessage: row.outcome_message,
    outcome: row.outcome === 'registered' || row.outcome === 'failed' ? row.outcome : null,
    releasedAt: row.released_at,
    reassignedAt: row.reassigned_at,
    browserAllowedUntil: row.browser_allowed_until,
    vmStatus: readVmStatus(row.status),
    confirms: row.confirms ?? false,
    waiting: row.waiting,
  };
}

/** One assignment, live or released; null if there is none. */
export async function findAssignment(db: Db, id: string): Promise<AssignmentRecord | null> {
  const row = await selectAssignments(db).where('a.id', '=', id).executeTakeFirst();
  return row ? readAssignmentRow(row) : null;
}

/** The live assignments of this browser; an organiser may have requested several. */
export async function liveAssignmentsOfBrowser(db: Db, browserId: string): Promise<AssignmentRecord[]> {
  const rows = await selectAssignments(db)
    .where('a.browsers', '@>', sql<string[]>`array[${browserId}]::text[]`)
    .where('a.released_at', 'is', null)
    .orderBy('a.assigned_at')
    .execute();
  return rows.map(readAssignmentRow);
}

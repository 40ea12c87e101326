// The history of one VM, newest first: statuses, assignments, admin actions and messages from operations.
import { sql } from 'kysely';
import type { AssignmentStep, TimelineFacts } from '../vms/timeline.ts';
import type { Db } from './connect.ts';

/** `what` is a status, an AssignmentStep, an AuditAction, or the text of an operation event. */
export type TimelineEntry = TimelineFacts & { readonly at: Date; readonly who: string | null };

/** When each step of an assignment happened; null if it did not. */
const steps = {
  assigned: 'a.assigned_at',
  delivered: 'a.delivered_at',
  registered: `case a.outcome when 'registered' then a.acknowledged_at end`,
  failed: `case a.outcome when 'failed' then a.acknowledged_at end`,
  released: 'a.released_at',
} as const satisfies Record<AssignmentStep, string>;
const stepValues = sql.raw(
  Object.entries(steps)
    .map(([what, at]) => `(${at}, '${what}')`)
    .join(', '),
);

const ENTRIES = 200;

/** Since the VM was first seen: earlier entries belong to another VM with the same hostname. */
export async function readTimeline(db: Db, hostname: string): Promise<TimelineEntry[]> {
  const { rows } = await sql<TimelineEntry>`
    select at, kind, what, detail, who from (
      select at, 'status' as kind, status as what, coalesce(event, '') as detail, null as who, id
      from vm_events where hostname = ${hostname}
      union all
      select step.at, 'assignment', step.what,
        a.email || case step.what when 'failed' then coalesce(': ' || a.outcome_message, '') else '' end, null, 0
      from assignments a cross join lateral (values ${stepValues}) as step (at, what)
      where a.hostname = ${hostname} and step.at is not null
      union all
      select at, 'action', what, detail, who, id from audit_events where hostname = ${hostname}
      union all
      select at, 'operation', text, level, null, id from operation_events where hostname = ${hostname}
    ) as entries where at >= (select created_at from vms where hostname = ${hostname})
    order by at desc, id desc limit ${ENTRIES}`.execute(db);
  return rows;
}

// What happened to one machine, newest first: its statuses, who had it, what admins did, what operations told of it.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type TimelineKind = 'status' | 'assignment' | 'action' | 'operation';

export type TimelineEntry = {
  readonly at: Date;
  readonly kind: TimelineKind;
  /** A status; `assigned`, `delivered`, `registered`, `failed` or `released`; the name of an action; or a line as it was told. */
  readonly what: string;
  /** Of whom or what, where that is to be said. */
  readonly detail: string;
  readonly who: string | null;
};

const ENTRIES = 200;

/** Since this machine is known: an older one of the same name is another story. */
export async function readTimeline(db: Db, hostname: string): Promise<TimelineEntry[]> {
  const { rows } = await sql<TimelineEntry>`
    select at, kind, what, detail, who from (
      select at, 'status' as kind, status as what, '' as detail, null as who, id
      from vm_events where hostname = ${hostname}
      union all
      select step.at, 'assignment', step.what, a.email, null, 0
      from assignments a cross join lateral (values
        (a.assigned_at, 'assigned'), (a.delivered_at, 'delivered'), (a.acknowledged_at, a.outcome),
        (a.released_at, 'released')) as step (at, what)
      where a.hostname = ${hostname} and step.at is not null
      union all
      select at, 'action', what, detail, who, id from audit_events where hostname = ${hostname}
      union all
      select at, 'operation', text, level, null, id from operation_events where hostname = ${hostname}
    ) as told where at >= (select created_at from vms where hostname = ${hostname})
    order by at desc, id desc limit ${ENTRIES}`.execute(db);
  return rows;
}

// The history for the charts: VMs by state and assignments over time. It is kept for a week.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { isFree, statusIs } from './predicates.ts';

/** Each VM is counted once. */
type StateCounts = {
  readonly free: number;
  readonly assigned: number;
  readonly in_use: number;
  readonly initializing: number;
  readonly recycling: number;
  readonly failed: number;
  readonly destroying: number;
};
export type StateSample = StateCounts & { readonly at: Date };

const held = `${statusIs('usable')} and assignment_id is not null`;
const counted = sql.raw(`
  count(*) filter (where ${isFree()})::int as free,
  count(*) filter (where ${held} and in_use is not true)::int as assigned,
  count(*) filter (where ${held} and in_use)::int as in_use,
  count(*) filter (where status = 'initializing')::int as initializing,
  count(*) filter (where status = 'recycling')::int as recycling,
  count(*) filter (where ${statusIs('failed')})::int as failed,
  count(*) filter (where status = 'destroying')::int as destroying`);

const columns = sql`free, assigned, in_use, initializing, recycling, failed, destroying`;

/** The present counts. */
export async function countStates(db: Db): Promise<StateSample> {
  const { rows } = await sql<StateSample>`select now() as at, ${counted} from vms`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('the count returned no row');
  return row;
}

/** Records the counts if they differ from the last sample. Returns whether they did. */
export async function sampleStates(db: Db): Promise<boolean> {
  const { rows } = await sql`
    with present as (select ${counted} from vms),
    last as (select ${columns} from vm_state_samples order by id desc limit 1)
    insert into vm_state_samples (${columns})
    select ${columns} from present
    where (${columns}) is distinct from (select row(${columns}) from last)
      and (exists (select from last) or exists (select from vms))
    returning 1`.execute(db);
  return rows.length > 0;
}

/** Deletes older entries, except the newest of the older samples: its counts still apply at that moment. */
export async function pruneHistory(db: Db, keepMs: number): Promise<void> {
  const oldest = sql`now() - make_interval(secs => ${keepMs / 1_000})`;
  await sql`delete from vm_state_samples where id < (
    select max(id) from vm_state_samples where at < ${oldest})`.execute(db);
  await sql`delete from assignment_changes where at < ${oldest}`.execute(db);
}

/** The samples since `from` and the last one before it, oldest first; evenly thinned to about `limit`. */
export async function readStateSamples(db: Db, from: Date, limit: number): Promise<StateSample[]> {
  const { rows } = await sql<StateSample>`
    with held as (select max(id) as id from vm_state_samples where at <= ${from}),
    shown as (
      select s.*, row_number() over (order by s.id desc) as place, count(*) over () as total
      from vm_state_samples s where s.at > ${from} or s.id = (select id from held)
    )
    select greatest(at, ${from}) as at, ${columns} from shown
    where (place - 1) % ceil(total::numeric / ${limit}::int)::bigint = 0
    order by id`.execute(db);
  return rows;
}

export type AssignmentChange = {
  readonly at: Date;
  readonly hostname: string;
  readonly kind: 'assigned' | 'released';
  /** The total since `from`, including this change. */
  readonly assigned: number;
  readonly released: number;
};

/** The newest `limit` changes since `from`, oldest first. */
export async function readAssignmentChanges(db: Db, from: Date, limit: number): Promise<AssignmentChange[]> {
  const { rows } = await sql<AssignmentChange>`
    with counted as (
      select id, at, hostname, kind,
        (count(*) filter (where kind = 'assigned') over (order by id))::int as assigned,
        (count(*) filter (where kind = 'released') over (order by id))::int as released
      from assignment_changes where at >= ${from}
    ), newest as (select * from counted order by id desc limit ${limit})
    select at, hostname, kind, assigned, released from newest order by id`.execute(db);
  return rows;
}

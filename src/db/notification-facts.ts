// The facts of which notifications tell before or after a time: nothing happens then in any row.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { WORK_NOT_DOWNLOADED } from './metric-facts.ts';
import { condition } from './predicates.ts';

/** Machines that shut down at the same time. */
export type MachineEnd = {
  readonly at: Date;
  readonly machines: number;
  /** Machines among them whose participants' work is not downloaded. */
  readonly workNotDownloaded: number;
};

/** The shutdown times between these two, the earliest first. */
export async function readMachineEnds(db: Db, from: Date, until: Date): Promise<MachineEnd[]> {
  const { rows } = await sql<MachineEnd>`
    select v.shutdown_at as at, count(*)::int as machines,
      (count(*) filter (where a.id is not null and ${condition(WORK_NOT_DOWNLOADED)}))::int as "workNotDownloaded"
    from vms v left join assignments a on a.id = v.assignment_id
    where v.shutdown_at > ${from} and v.shutdown_at <= ${until} and v.status <> 'destroying'
    group by v.shutdown_at order by v.shutdown_at`.execute(db);
  return rows;
}

/** All machines whose participants' work is not downloaded. */
export async function countWorkNotDownloaded(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from vms v join assignments a on a.id = v.assignment_id
    where ${condition(WORK_NOT_DOWNLOADED)}`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Machines that exist after the end of their time; null = none. */
export async function readPastEnd(
  db: Db,
  before: Date,
): Promise<{ readonly machines: number; readonly endedAt: Date } | null> {
  const { rows } = await sql<{ machines: number; endedAt: Date | null }>`
    select count(*)::int as machines, max(shutdown_at) as "endedAt" from vms
    where shutdown_at < ${before} and status <> 'destroying'`.execute(db);
  const [row] = rows;
  return row === undefined || row.endedAt === null ? null : { machines: row.machines, endedAt: row.endedAt };
}

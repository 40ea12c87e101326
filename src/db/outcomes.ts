// What became of a delivered command, as the agent reports it. The reports of one moment are one statement.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import type { Locking } from './free-vms.ts';
import { grouped, ofReports } from './grouped.ts';

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
  return recordInGroup(db, report);
}

const recordInGroup = grouped<OutcomeReport, OutcomeResult>({
  name: 'outcomes',
  keyOf: ({ assignmentId }) => assignmentId.toLowerCase(),
  ...ofReports,
  together: (db, reports) => record(db, reports, 'skip locked'),
  alone: async (db, report) => (await record(db, [report], ''))[0] ?? 'unknown',
});

/** Undefined: the row is locked. */
async function record(
  db: Db,
  reports: readonly OutcomeReport[],
  locking: Locking,
): Promise<(OutcomeResult | undefined)[]> {
  const { rows } = await sql<{ place: number; result: OutcomeResult | null }>`
    with given as (
      select * from unnest(${reports.map(({ assignmentId }) => assignmentId)}::uuid[],
        ${reports.map(({ hostname }) => hostname)}::text[],
        ${reports.map(({ outcome }) => outcome)}::text[],
        ${reports.map(({ commandNumber }) => commandNumber)}::int[],
        ${reports.map(({ message }) => message)}::text[])
        with ordinality as given (id, hostname, outcome, command_number, message, place)
    ), held as (
      select a.id, a.hostname, a.released_at, a.command_number from given join assignments a on a.id = given.id
      order by a.id for no key update of a ${sql.raw(locking)}
    ), judged as (
      select given.*, case
        when held.hostname <> given.hostname then 'unknown'
        when held.released_at is not null then 'released'
        when held.command_number <> given.command_number then 'replaced'
        else 'recorded' end as result
      from given join held on held.id = given.id
    ), changed as (
      update assignments a set delivered_at = coalesce(a.delivered_at, now()), acknowledged_at = now(),
        outcome = judged.outcome, outcome_message = judged.message
      from judged where judged.id = a.id and judged.result = 'recorded'
    )
    select given.place::int, judged.result from given join assignments a on a.id = given.id
    left join judged on judged.place = given.place`.execute(db);
  const found = new Map(rows.map(({ place, result }) => [place, result]));
  return reports.map((_, index) => {
    const result = found.get(index + 1);
    return result === undefined ? 'unknown' : (result ?? undefined);
  });
}

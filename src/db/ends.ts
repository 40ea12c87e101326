// When machines end: what each is armed to, what it is to be armed to, and what was told about it.
import { sql } from 'kysely';
import { readProvider, type Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';

export type EndRow = {
  readonly hostname: string;
  readonly provider: Provider;
  readonly operationId: string | null;
  /** What the machine itself is armed to. */
  readonly endsAt: Date | null;
  /** What it is to be armed to, where that has not been done. */
  readonly wantedEndsAt: Date | null;
  readonly problem: string | null;
};

/** Machines that were launched, or adopted. */
export async function listEnds(db: Db): Promise<EndRow[]> {
  const rows = await db
    .selectFrom('vms')
    .select(['hostname', 'provider', 'operation_id', 'ends_at', 'wanted_ends_at', 'end_problem'])
    .where('provider', '<>', 'external')
    .orderBy('hostname')
    .execute();
  return rows.map((row) => ({
    hostname: row.hostname,
    provider: readProvider(row.provider),
    operationId: row.operation_id,
    endsAt: row.ends_at,
    wantedEndsAt: row.wanted_ends_at,
    problem: row.end_problem,
  }));
}

/** Every machine of the provider is to end then. Machines that do not end themselves end then at once; returns how many. */
export async function wantEnd(
  db: Db,
  {
    provider,
    endsAt,
    armed,
  }: { readonly provider: Provider; readonly endsAt: Date; readonly armed: boolean },
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('vms')
    .set(
      armed
        ? { wanted_ends_at: endsAt, end_problem: null }
        : { ends_at: endsAt, wanted_ends_at: null, end_problem: null, end_told_at: null },
    )
    .where('provider', '=', provider)
    .where('status', '<>', 'destroying')
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** The machine is armed to this now. What was wanted meanwhile stays wanted. */
export async function recordArmed(db: Db, hostname: string, endsAt: Date): Promise<void> {
  await db
    .updateTable('vms')
    .set({
      ends_at: endsAt,
      wanted_ends_at: sql<Date | null>`nullif(wanted_ends_at, ${endsAt}::timestamptz)`,
      end_problem: null,
      end_told_at: null,
    })
    .where('hostname', '=', hostname)
    .execute();
}

export async function recordEndProblem(db: Db, hostname: string, problem: string): Promise<void> {
  await db
    .updateTable('vms')
    .set({ end_problem: problem })
    .where('hostname', '=', hostname)
    .where('wanted_ends_at', 'is not', null)
    .where('end_problem', 'is distinct from', problem)
    .execute();
}

/** Machines whose end has come and has not been told yet; told now. */
export async function tellEnds(
  db: Db,
  now: Date,
): Promise<{ hostname: string; operationId: string | null }[]> {
  const rows = await db
    .updateTable('vms')
    .set({ end_told_at: now })
    .where('ends_at', '<=', now)
    .where('end_told_at', 'is', null)
    .where('provider', '<>', 'external')
    .returning(['hostname', 'operation_id'])
    .execute();
  return rows.map(({ hostname, operation_id }) => ({ hostname, operationId: operation_id }));
}

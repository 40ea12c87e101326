// What the audit recorded, newest first: filtered, and read page by page.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from './connect.ts';

export type AuditFilter = {
  readonly who: string | null;
  readonly what: string | null;
  /** A hostname, the ID of an operation, or a part of the detail. */
  readonly target: string | null;
  readonly from: Date | null;
  /** The events before this time. */
  readonly to: Date | null;
};

export type AuditRecord = {
  /** A bigint as text. */
  readonly id: string;
  readonly at: Date;
  readonly who: string;
  readonly what: string;
  readonly detail: string;
  readonly hostname: string | null;
  readonly operationId: string | null;
  readonly address: string | null;
};

/** The newest `limit` events that match, before the one with the ID `before`. */
export async function readAuditEvents(
  db: Db,
  filter: AuditFilter,
  { before, limit }: { readonly before: string | null; readonly limit: number },
): Promise<AuditRecord[]> {
  const conditions = [
    ...conditionsOf(filter),
    ...(before === null ? [] : [sql<boolean>`id < ${before}::bigint`]),
  ];
  const { rows } = await sql<AuditRecord>`
    select id::text, at, who, what, detail, hostname, operation_id as "operationId", address from audit_events
    where ${conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `)}
    order by audit_events.id desc limit ${limit}`.execute(db);
  return rows;
}

function conditionsOf({ who, what, target, from, to }: AuditFilter): RawBuilder<boolean>[] {
  return [
    ...(who === null ? [] : [sql<boolean>`who = ${who}`]),
    ...(what === null ? [] : [sql<boolean>`what = ${what}`]),
    ...(target === null
      ? []
      : [
          sql<boolean>`(hostname = ${target} or operation_id::text = ${target} or strpos(lower(detail), lower(${target})) > 0)`,
        ]),
    ...(from === null ? [] : [sql<boolean>`at >= ${from}`]),
    ...(to === null ? [] : [sql<boolean>`at < ${to}`]),
  ];
}

/** What a filter offers. */
const CHOICES = 200;

/** Who and what stands in the audit, in alphabetical order. */
export async function readAuditChoices(
  db: Db,
): Promise<{ readonly who: readonly string[]; readonly what: readonly string[] }> {
  const distinct = async (column: 'who' | 'what') => {
    const rows = await db
      .selectFrom('audit_events')
      .select(`${column} as value`)
      .distinct()
      .orderBy('value')
      .limit(CHOICES)
      .execute();
    return rows.map(({ value }) => value);
  };
  const [who, what] = await Promise.all([distinct('who'), distinct('what')]);
  return { who, what };
}

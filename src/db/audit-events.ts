// What the audit recorded, newest first: filtered, and read page by page.
import { sql, type RawBuilder } from 'kysely';
import {
  readOperationKind,
  readOperationStatus,
  readOperationVmState,
  type OperationFacts,
  type OperationVmState,
} from '../vms/operation.ts';
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
  /** Of the operation, as far as it is kept. */
  readonly operation: Pick<OperationFacts, 'kind' | 'status' | 'done' | 'total'> | null;
  /** What the operation did with the VM. */
  readonly vmState: OperationVmState | null;
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
    ...(before === null ? [] : [sql<boolean>`a.id < ${before}::bigint`]),
  ];
  const { rows } = await sql<Row>`
    select a.id::text, a.at, a.who, a.what, a.detail, a.hostname, a.operation_id as "operationId", a.address,
      o.kind, o.status, o.done, o.total, v.state
    from audit_events a left join operations o on o.id = a.operation_id
      left join operation_vms v on v.operation_id = a.operation_id and v.hostname = a.hostname
    where ${conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `)}
    order by a.id desc limit ${limit}`.execute(db);
  return rows.map(({ kind, status, done, total, state, ...event }) => ({
    ...event,
    operation:
      kind === null || status === null
        ? null
        : {
            kind: readOperationKind(kind),
            status: readOperationStatus(status),
            done: done ?? 0,
            total: total ?? 0,
          },
    vmState: state === null ? null : readOperationVmState(state),
  }));
}

type Row = Omit<AuditRecord, 'operation' | 'vmState'> & {
  readonly kind: string | null;
  readonly status: string | null;
  readonly done: number | null;
  readonly total: number | null;
  readonly state: string | null;
};

function conditionsOf({ who, what, target, from, to }: AuditFilter): RawBuilder<boolean>[] {
  return [
    ...(who === null ? [] : [sql<boolean>`a.who = ${who}`]),
    ...(what === null ? [] : [sql<boolean>`a.what = ${what}`]),
    ...(target === null
      ? []
      : [
          sql<boolean>`(a.hostname = ${target} or a.operation_id::text = ${target} or strpos(lower(a.detail), lower(${target})) > 0)`,
        ]),
    ...(from === null ? [] : [sql<boolean>`a.at >= ${from}`]),
    ...(to === null ? [] : [sql<boolean>`a.at < ${to}`]),
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

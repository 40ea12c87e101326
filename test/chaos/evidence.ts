// What is known after a run: the rows of the database, and what each client saw. The invariants look at nothing else.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import type { FormAnswer } from './participants.ts';
import type { MachineKind } from './host-protocol.ts';
import type { Delivered } from './machines.ts';

export type AssignmentRow = {
  readonly id: string;
  readonly hostname: string;
  readonly email: string;
  readonly pin: string;
  readonly command: string;
  readonly commandNumber: number;
  /** Milliseconds since 1970, as all times here. */
  readonly assignedAt: number;
  readonly releasedAt: number | null;
  readonly deliveredAt: number | null;
  readonly outcome: string | null;
  readonly outcomeMessage: string | null;
  /** An admin has moved it, and it waits for a new command. */
  readonly waitsForCommand: boolean;
};
type VmRow = { readonly hostname: string; readonly status: string; readonly assignmentId: string | null };
type VmEventRow = {
  readonly hostname: string;
  readonly at: number;
  readonly status: string;
  readonly event: string | null;
};
/** A machine that an admin has moved a participant to. */
type Moved = { readonly hostname: string; readonly at: number };
type OperationRow = { readonly id: string; readonly kind: string; readonly status: string };
type LogRow = { readonly hostname: string; readonly lines: readonly string[] };

export type Rows = {
  readonly assignments: readonly AssignmentRow[];
  readonly vms: readonly VmRow[];
  readonly events: readonly VmEventRow[];
  readonly moves: readonly Moved[];
  readonly operations: readonly OperationRow[];
  readonly logs: readonly LogRow[];
  /** Which machines wait, as participants' pages are told. */
  readonly waiting: readonly string[];
  /** Of the allocators. */
  readonly connections: number;
};

export type MachineSeen = {
  readonly hostname: string;
  readonly kind: MachineKind;
  readonly interruptions: number;
  readonly linesWritten: number;
  readonly delivered: readonly Delivered[];
  readonly stateFiles: readonly string[];
};

type ParticipantSeen = {
  readonly email: string;
  /** Of the command that was sent last. */
  readonly code: string;
  readonly answers: readonly FormAnswer[];
};

/** What an allocator held: after it had served one of each request, and after the run. */
type AllocatorSeen = {
  readonly name: string;
  readonly before: Holding;
  readonly after: Holding;
};
export type Holding = {
  readonly heapBytes: number;
  /** Open files and sockets. */
  readonly descriptors: number;
  readonly sockets: number;
  readonly timers: number;
  /** Requests that wait for their group. */
  readonly waiters: number;
  /** Names of the files that it keeps. */
  readonly files: readonly string[];
};

/** What is known while clients run. */
export type Evidence = {
  readonly rows: Rows;
  readonly machines: readonly MachineSeen[];
  readonly participants: readonly ParticipantSeen[];
  /** What viewers were shown of the log of a machine. */
  readonly logViews: readonly LogRow[];
  /** Sentences about parts of the harness that did not do what they must always do. */
  readonly problems: readonly string[];
};

/** What is known when all clients have left. */
export type Aftermath = {
  readonly rows: Pick<Rows, 'waiting' | 'connections'>;
  readonly allocators: readonly AllocatorSeen[];
  readonly connectionsMax: number;
  /** Processes that the run has started and that still run. */
  readonly processes: readonly string[];
};

const ms = (column: string) => sql<number>`(extract(epoch from ${sql.ref(column)}) * 1000)::float8`;

export async function readRows(db: Db): Promise<Rows> {
  const assignments = await db
    .selectFrom('assignments')
    .select(['id', 'hostname', 'email', 'pin', 'crd_command as command', 'command_number as commandNumber'])
    .select([
      ms('assigned_at').as('assignedAt'),
      ms('delivered_at').$castTo<number | null>().as('deliveredAt'),
    ])
    .select([ms('released_at').$castTo<number | null>().as('releasedAt'), 'outcome'])
    .select([
      'outcome_message as outcomeMessage',
      sql<boolean>`reassigned_at is not null`.as('waitsForCommand'),
    ])
    .execute();
  const vms = await db
    .selectFrom('vms')
    .select(['hostname', 'status', 'assignment_id as assignmentId'])
    .orderBy('hostname')
    .execute();
  const events = await db
    .selectFrom('vm_events')
    .select(['hostname', ms('at').as('at'), 'status', 'event'])
    .orderBy('id')
    .execute();
  const { rows: moves } = await sql<Moved>`
    select hostname, (extract(epoch from at) * 1000)::float8 as at from audit_events
    where what = 'reassign' and detail like '%←%' and hostname is not null`.execute(db);
  const operations = await db.selectFrom('operations').select(['id', 'kind', 'status']).execute();
  const { rows: logs } = await sql<LogRow>`
    select hostname, array_agg(line order by id) as lines from vm_logs group by hostname`.execute(db);
  return { assignments, vms, events, moves, operations, logs, ...(await readHeld(db)) };
}

/** What must be gone when nobody is there any more. */
export async function readHeld(db: Db): Promise<Pick<Rows, 'waiting' | 'connections'>> {
  const waiting = await db
    .selectFrom('vm_presence')
    .select('hostname')
    .where('waiting_until', '>', sql<Date>`now()`)
    .execute();
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where application_name like 'lablink%' and datname = current_database()`.execute(db);
  return { waiting: waiting.map(({ hostname }) => hostname), connections: rows[0]?.count ?? 0 };
}

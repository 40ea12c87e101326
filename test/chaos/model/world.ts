// The rows of the model: what the statements of src/db do to them is in statements.ts. Remembers what a check needs.
import type { Notice } from '../../../src/db/listen.ts';
import { isFree } from '../../../src/vms/status.ts';
import type { VmStatus } from '../../../src/vms/lifecycle.ts';
import type { Broken } from '../invariants.ts';

export type ModelVm = {
  readonly hostname: string;
  status: VmStatus;
  assignmentId: string | null;
  /** The place of the waiting list. */
  reservedFor: string | null;
  reservedUntil: number | null;
  /** The step since which it has been free and not reserved; null: it is not. */
  freeSince: number | null;
  /** Of which boot, and how long after it, the last report was. */
  reportedBoot: string | null;
  reportedUptimeMs: number;
};
export type ModelAssignment = {
  readonly id: string;
  readonly hostname: string;
  readonly email: string;
  readonly pin: string;
  readonly assignedAt: number;
  browsers: readonly string[];
  command: string;
  commandNumber: number;
  commandAt: number;
  deliveredAt: number | null;
  acknowledgedAt: number | null;
  outcome: string | null;
  outcomeMessage: string | null;
  releasedAt: number | null;
};
type ModelPresence = {
  confirms: boolean;
  waitingUntil: number | null;
  waitsAt: string | null;
  available: boolean;
};
export type LogLine = { readonly line: string; readonly eventId: string | null };

/** A place on the waiting list. */
export type ModelPlace = {
  readonly id: string;
  readonly email: string;
  readonly browsers: readonly string[];
  readonly code: string;
  position: number;
  since: number;
  missed: number;
  leftAt: number | null;
  reservedVm: string | null;
  presentAt: number;
  step: number | null;
};

/** What the last commit has left, for those of the list who are passed, and for the order of reports. */
type Before = {
  reports: ReadonlyMap<string, Pick<ModelVm, 'reportedBoot' | 'reportedUptimeMs'>>;
  readonly assignments: Set<string>;
  waiting: readonly string[];
  reserved: ReadonlyMap<string, string | null>;
};

export type World = {
  readonly now: () => number;
  readonly vms: Map<string, ModelVm>;
  readonly assignments: Map<string, ModelAssignment>;
  readonly presence: Map<string, ModelPresence>;
  readonly logs: Map<string, LogLine[]>;
  readonly list: Map<string, ModelPlace>;
  /** The last number of the list. */
  positions: number;
  /** The step since which nobody on the list is without a machine; null: somebody is. */
  nobodyWaitsSince: number | null;
  readonly before: Before;
  /** Invariants that a commit has broken. */
  readonly brokenByCommits: Broken[];
  /** Of the transaction or statement that runs; sent when it commits. */
  notifications: Notice[];
  /** What went wrong in the model itself. */
  readonly problems: string[];
  /** Grows with every statement. */
  step: number;
  /** Whether another transaction holds this row at the moment, drawn anew for each look. */
  readonly isLocked: () => boolean;
  /** What was broken on purpose. */
  readonly sabotage: Sabotage | null;
};

/** Breaks the system on purpose, so that a test sees which invariant reports it. */
export type Sabotage =
  | 'a claim takes a machine that somebody has'
  | 'a claim forgets the machine that the e-mail has'
  | 'a delivery is lost'
  | 'no machine is found to be free'
  | 'a claim is rolled back after its answer'
  | 'log lines are stored twice'
  | 'log lines are dropped'
  | 'leases never end'
  | 'a reset does not free the machine'
  | 'a newcomer passes those who wait'
  | 'a machine is reserved twice'
  | 'an older status replaces a newer one'
  | 'the status of an earlier boot stays';

export function createWorld(options: Pick<World, 'now' | 'isLocked' | 'sabotage'>): World {
  return {
    ...options,
    vms: new Map(),
    assignments: new Map(),
    presence: new Map(),
    logs: new Map(),
    list: new Map(),
    positions: 0,
    nobodyWaitsSince: 0,
    before: { reports: new Map(), assignments: new Set(), waiting: [], reserved: new Map() },
    brokenByCommits: [],
    notifications: [],
    problems: [],
    step: 0,
  };
}

/** As in the database, by the predicate of the product. */
export function isFreeVm({ status, assignmentId }: Pick<ModelVm, 'status' | 'assignmentId'>): boolean {
  const assignment = assignmentId === null ? null : { releasedAt: null };
  return isFree({ status, twinSince: null, assignment });
}

/** Free, and reserved for nobody. */
export const isUnreserved = (vm: ModelVm): boolean => isFreeVm(vm) && vm.reservedFor === null;

/** After every statement: since when each machine is free. */
export function noteFree(world: World): void {
  for (const vm of world.vms.values()) vm.freeSince = isUnreserved(vm) ? (vm.freeSince ?? world.step) : null;
}

/** Only the model looks at each commit. */
export const STATUS_ORDER = 'no status is replaced by an older one of the same boot';

/** After every commit. */
export function noteReports({ vms, before, brokenByCommits }: World): void {
  for (const { hostname, reportedBoot, reportedUptimeMs } of vms.values()) {
    const last = before.reports.get(hostname);
    if (last?.reportedBoot === reportedBoot && reportedUptimeMs < last.reportedUptimeMs)
      brokenByCommits.push({
        invariant: STATUS_ORDER,
        evidence: `${hostname}: a report at ${reportedUptimeMs} ms counted after one at ${last.reportedUptimeMs} ms`,
      });
  }
  before.reports = new Map([...vms].map(([hostname, vm]) => [hostname, { ...vm }]));
}

export type Snapshot = { readonly undo: () => void };

/** For a transaction that may be rolled back. */
export function takeSnapshot(world: World): Snapshot {
  const copy = <Row extends object>(rows: Map<string, Row>) =>
    [...rows].map(([key, row]) => [key, Array.isArray(row) ? [...(row as unknown[])] : { ...row }] as const);
  const { vms, assignments, presence, logs, list } = world;
  const saved = [vms, assignments, presence, logs, list].map(
    (rows) => [rows, copy<object>(rows as Map<string, object>)] as const,
  );
  return {
    undo: () => {
      for (const [rows, entries] of saved) {
        rows.clear();
        for (const [key, row] of entries) (rows as Map<string, object>).set(key, row);
      }
      world.notifications = [];
    },
  };
}

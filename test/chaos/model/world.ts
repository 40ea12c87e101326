// The rows of the model: what the statements of src/db do to them is in statements.ts. Remembers what a check needs.
import { isFree } from '../../../src/vms/status.ts';
import type { VmStatus } from '../../../src/vms/lifecycle.ts';

export type ModelVm = {
  readonly hostname: string;
  status: VmStatus;
  assignmentId: string | null;
  /** The step since which it has been free; null: it is not. */
  freeSince: number | null;
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

export type World = {
  readonly now: () => number;
  readonly vms: Map<string, ModelVm>;
  readonly assignments: Map<string, ModelAssignment>;
  readonly presence: Map<string, ModelPresence>;
  readonly logs: Map<string, LogLine[]>;
  /** Of the transaction or statement that runs; sent when it commits. */
  notifications: string[];
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
  | 'a reset does not free the machine';

export function createWorld(options: Pick<World, 'now' | 'isLocked' | 'sabotage'>): World {
  return {
    ...options,
    vms: new Map(),
    assignments: new Map(),
    presence: new Map(),
    logs: new Map(),
    notifications: [],
    problems: [],
    step: 0,
  };
}

/** As in the database, by the predicate of the product. */
export function isFreeVm({ status, assignmentId }: ModelVm): boolean {
  const assignment = assignmentId === null ? null : { releasedAt: null };
  return isFree({ status, twinSince: null, assignment });
}

/** After every statement: since when each machine is free. */
export function noteFree(world: World): void {
  for (const vm of world.vms.values()) vm.freeSince = isFreeVm(vm) ? (vm.freeSince ?? world.step) : null;
}

export type Snapshot = { readonly undo: () => void };

/** For a transaction that may be rolled back. */
export function takeSnapshot(world: World): Snapshot {
  const copy = <Row extends object>(rows: Map<string, Row>) =>
    [...rows].map(([key, row]) => [key, Array.isArray(row) ? [...(row as unknown[])] : { ...row }] as const);
  const { vms, assignments, presence, logs } = world;
  const saved = [vms, assignments, presence, logs].map(
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

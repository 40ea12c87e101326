// The statuses of a VM and what they mean: the one definition, from which db/predicates.ts derives its SQL. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type VmStatus = components['schemas']['VmStatus'];
export type ReportedStatus = components['schemas']['ReportedStatus'];
export type GpuHealth = components['schemas']['GpuHealth'];
export type Provider = components['schemas']['Provider'];
type AssignmentState = components['schemas']['AssignmentState'];

type Meaning = {
  /** The VM can be assigned, and a participant can work on it. */
  readonly usable: boolean;
  /** Something is wrong; an admin has to look. */
  readonly failed: boolean;
  /** An assigned VM is of no use to its participant. */
  readonly lost: boolean;
  /** A report of the VM replaces this status. If false, the server set the status, and only the server ends it. */
  readonly reportable: boolean;
  /** A waiting VM may be given the command of its assignment. */
  readonly deliverable: boolean;
};

const usual = { usable: false, failed: false, lost: false, reportable: true, deliverable: true };

const meanings = {
  initializing: usual,
  running: { ...usual, usable: true },
  error: { ...usual, failed: true, lost: true },
  unreachable: { ...usual, failed: true, lost: true },
  recycling: { ...usual, reportable: false, deliverable: false },
  destroying: { ...usual, lost: true, reportable: false, deliverable: false },
} as const satisfies Record<VmStatus, Meaning>;

export const vmStatuses: readonly VmStatus[] = keysOf(meanings);

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): Key[] {
  const keys: Key[] = [];
  for (const key in table) keys.push(key);
  return keys;
}

/** The statuses with this meaning. */
export function statusesThatAre(meaning: keyof Meaning): readonly VmStatus[] {
  return vmStatuses.filter((status) => meanings[status][meaning]);
}

/** Whether the status has this meaning. */
export function isStatus(status: VmStatus, meaning: keyof Meaning): boolean {
  return meanings[status][meaning];
}

/** What the predicates about a VM look at. An assignment stays on its VM until the VM has been reset. */
export type VmFacts = {
  readonly status: VmStatus;
  readonly gpuHealth: GpuHealth | null;
  readonly assignment: { readonly releasedAt: Date | null } | { readonly state: AssignmentState } | null;
};

/** The facts of a VM from the API. */
export function vmFacts({ status, gpu_health, assignment }: components['schemas']['Vm']): VmFacts {
  return { status, gpuHealth: gpu_health, assignment };
}

/** The VM can be assigned now. */
export function isFree({ status, assignment }: Pick<VmFacts, 'status' | 'assignment'>): boolean {
  return isStatus(status, 'usable') && assignment === null;
}

/** A participant has the VM. */
export function isAssigned({ assignment }: Pick<VmFacts, 'assignment'>): boolean {
  if (assignment === null) return false;
  return 'state' in assignment ? assignment.state !== 'released' : assignment.releasedAt === null;
}

/** The VM is free and healthy, so that neither a participant nor an admin is concerned with it. */
export function isIdle(vm: VmFacts): boolean {
  return isFree(vm) && !isGpuUnhealthy(vm);
}

export function isGpuUnhealthy({ gpuHealth }: Pick<VmFacts, 'gpuHealth'>): boolean {
  return gpuHealth === 'Unhealthy';
}

/** Marking the VM as healthy would change something. */
export function isUnhealthy(vm: Pick<VmFacts, 'status' | 'gpuHealth'>): boolean {
  return isStatus(vm.status, 'failed') || isGpuUnhealthy(vm);
}

/** The statuses that this report replaces. A VM that cannot be reset reports `error`, which must replace `recycling`. */
export function statusesReplacedBy(report: ReportedStatus): readonly VmStatus[] {
  const reportable = statusesThatAre('reportable');
  return report === 'error' ? [...reportable, 'recycling'] : reportable;
}

/** A status from the database. Throws for an unknown one, which is a bug. */
export function readVmStatus(stored: string): VmStatus {
  const status = vmStatuses.find((known) => known === stored);
  if (!status) throw new Error(`unknown VM status in the database: ${stored}`);
  return status;
}

export const gpuHealths: readonly GpuHealth[] = ['Healthy', 'Unhealthy', 'N/A'];

/** The GPU health as it is stored; the case of the report is ignored. Null for an unknown value. */
export function readGpuHealth(reported: string): GpuHealth | null {
  return gpuHealths.find((health) => health.toLowerCase() === reported.toLowerCase()) ?? null;
}

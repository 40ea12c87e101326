// What a VM is (free, assigned, unhealthy …): the one definition, from which db/predicates.ts derives its SQL. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { isStatus, type VmStatus } from './lifecycle.ts';

export type GpuHealth = components['schemas']['GpuHealth'];
export type Provider = components['schemas']['Provider'];
type AssignmentState = components['schemas']['AssignmentState'];
type Vm = components['schemas']['Vm'];

/** What the predicates about a VM look at. An assignment stays on its VM until the VM has been reset. */
export type VmFacts = {
  readonly status: VmStatus;
  readonly gpuHealth: GpuHealth | null;
  /** Two machines report under its hostname; null if one does. */
  readonly twinSince: Date | string | null;
  /** For somebody on the waiting list. */
  readonly isReserved: boolean;
  readonly assignment: { readonly releasedAt: Date | null } | { readonly state: AssignmentState } | null;
};

/** The facts of a VM from the API. */
export function vmFacts({
  status,
  gpu_health,
  twin_since,
  reserved,
  assignment,
}: Pick<Vm, 'status' | 'gpu_health' | 'twin_since' | 'reserved'> & Pick<VmFacts, 'assignment'>): VmFacts {
  return { status, gpuHealth: gpu_health, twinSince: twin_since, isReserved: reserved, assignment };
}

/** The VM can be assigned now, to the person for whom it is reserved if it is. */
export function isFree({
  status,
  twinSince,
  assignment,
}: Pick<VmFacts, 'status' | 'twinSince' | 'assignment'>): boolean {
  return isStatus(status, 'usable') && assignment === null && twinSince === null;
}

/** Free, and not reserved for somebody on the waiting list: the next participant can get it. */
export function isUnreserved(vm: Parameters<typeof isFree>[0] & Pick<VmFacts, 'isReserved'>): boolean {
  return isFree(vm) && !vm.isReserved;
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
export function isUnhealthy(vm: Pick<VmFacts, 'status' | 'gpuHealth' | 'twinSince'>): boolean {
  return isStatus(vm.status, 'failed') || isGpuUnhealthy(vm) || vm.twinSince !== null;
}

export const gpuHealths: readonly GpuHealth[] = ['Healthy', 'Unhealthy', 'N/A'];

/** The GPU health as it is stored; the case of the report is ignored. Null for an unknown value. */
export function readGpuHealth(reported: string): GpuHealth | null {
  return gpuHealths.find((health) => health.toLowerCase() === reported.toLowerCase()) ?? null;
}

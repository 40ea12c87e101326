// The statuses of a machine: which there are, and what a report of the machine may change. Pure.
import type { components } from '../contract/openapi.gen.ts';

export type VmStatus = components['schemas']['VmStatus'];
export type ReportedStatus = components['schemas']['ReportedStatus'];
export type GpuHealth = components['schemas']['GpuHealth'];
export type Provider = components['schemas']['Provider'];

/** Status → does a machine's own report replace it? What the server has begun, the server ends. */
const replacedByReport = {
  initializing: true,
  running: true,
  error: true,
  unreachable: true,
  recycling: false,
  destroying: false,
} as const satisfies Record<VmStatus, boolean>;

export const vmStatuses: readonly VmStatus[] = [
  'initializing',
  'running',
  'error',
  'unreachable',
  'recycling',
  'destroying',
];

/** A status as the database has it; one that is none of ours is a bug, and thrown. */
export function readVmStatus(stored: string): VmStatus {
  const status = vmStatuses.find((known) => known === stored);
  if (!status) throw new Error(`unknown VM status in the database: ${stored}`);
  return status;
}

/** The statuses that a machine's own report replaces. */
export const reportableStatuses: readonly VmStatus[] = vmStatuses.filter(
  (status) => replacedByReport[status],
);

/** The statuses that this report replaces: a machine that cannot be emptied is in error, and must not look as if it were. */
export function statusesReplacedBy(report: ReportedStatus): readonly VmStatus[] {
  return report === 'error' ? [...reportableStatuses, 'recycling'] : reportableStatuses;
}

/** Statuses in which an assigned machine is of no use to its participant. */
const lost: ReadonlySet<VmStatus> = new Set<VmStatus>(['error', 'unreachable', 'destroying']);

export function isLost(status: VmStatus): boolean {
  return lost.has(status);
}

const providers: readonly Provider[] = ['aws', 'local', 'external'];

/** A provider as the database has it. */
export function readProvider(stored: string): Provider {
  const provider = providers.find((known) => known === stored);
  if (!provider) throw new Error(`unknown provider in the database: ${stored}`);
  return provider;
}

const gpuHealths: readonly GpuHealth[] = ['Healthy', 'Unhealthy', 'N/A'];

/** GPU health as it is stored, read without regard to case; null where the report is none of the three. */
export function readGpuHealth(reported: string): GpuHealth | null {
  return gpuHealths.find((health) => health.toLowerCase() === reported.toLowerCase()) ?? null;
}

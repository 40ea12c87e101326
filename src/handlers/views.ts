// Records of the database as the contract tells them.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentRecord } from '../db/assignments.ts';
import type { VmRecord } from '../db/vms.ts';
import { assignmentSentences, assignmentState } from '../vms/assignment.ts';
import { totalSeconds } from '../vms/timings.ts';

export type Clock = () => Date;
export type ViewContext = { readonly now: Date; readonly codeLifetimeMs: number };

export function assignmentView(
  record: AssignmentRecord,
  context: ViewContext,
): components['schemas']['Assignment'] {
  const state = assignmentState(record, context.now, context.codeLifetimeMs);
  return {
    id: record.id,
    hostname: record.hostname,
    pin: record.pin,
    email: record.email,
    state,
    message: assignmentSentences[state],
    assigned_at: record.assignedAt.toISOString(),
    command_at: record.commandAt.toISOString(),
    delivered_at: record.deliveredAt?.toISOString() ?? null,
    acknowledged_at: record.acknowledgedAt?.toISOString() ?? null,
    released_at: record.releasedAt?.toISOString() ?? null,
  };
}

export function vmView(record: VmRecord, context: ViewContext): components['schemas']['Vm'] {
  return {
    hostname: record.hostname,
    provider: record.provider,
    status: record.status,
    status_since: record.statusSince.toISOString(),
    in_use: record.inUse,
    gpu_health: record.gpuHealth,
    address: record.address,
    ssh_user: record.sshUser,
    ssh_port: record.sshPort,
    has_token: record.hasToken,
    created_at: record.createdAt.toISOString(),
    last_seen_at: record.lastSeenAt?.toISOString() ?? null,
    waiting: record.waiting,
    boot_id: record.bootId,
    free_disk_bytes: record.freeDiskBytes,
    assignment: record.assignment && assignmentView(record.assignment, context),
    timings: {
      provisioning_seconds: record.provisioningSeconds,
      cloud_init_seconds: record.cloudInitSeconds,
      container_seconds: record.containerSeconds,
      total_seconds: totalSeconds([
        record.provisioningSeconds,
        record.cloudInitSeconds,
        record.containerSeconds,
      ]),
    },
  };
}

// Converts records of the database to the schemas of the API.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentRecord } from '../db/assignments.ts';
import type { OperationEventRecord } from '../db/operation-events.ts';
import type { OperationVmRecord } from '../db/operation-vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import type { TimelineEntry } from '../db/vm-timeline.ts';
import type { VmRecord } from '../db/vms.ts';
import type { Survey } from '../provision/orphans.ts';
import { assignmentSentences, assignmentState, movedSentence } from '../vms/assignment.ts';
import { attentionOf } from '../vms/attention.ts';
import { deadlineOf, defaultDeadlines, type Deadline, type DeadlineLimits } from '../vms/deadlines.ts';
import { operationMessage } from '../vms/operation.ts';
import { timelineText } from '../vms/timeline.ts';
import { totalSeconds } from '../vms/timings.ts';

export type Clock = () => Date;
export type ViewContext = {
  readonly now: Date;
  readonly codeLifetimeMs: number;
  readonly deadlines?: DeadlineLimits;
};

/** What views of VMs need. */
export type ViewDependencies = {
  readonly now: Clock;
  readonly codeLifetimeMs: number;
  readonly deadlines: DeadlineLimits;
  /** The deployment and its environment, for the header of pages. */
  readonly site?: string;
};

export function viewContext({ now, codeLifetimeMs, deadlines }: ViewDependencies): Required<ViewContext> {
  return { now: now(), codeLifetimeMs, deadlines };
}

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
    ...(record.name !== '' && { name: record.name }),
    state,
    message: state === 'expired' && record.reassignedAt ? movedSentence : assignmentSentences[state],
    assigned_at: record.assignedAt.toISOString(),
    command_at: record.commandAt.toISOString(),
    delivered_at: record.deliveredAt?.toISOString() ?? null,
    acknowledged_at: record.acknowledgedAt?.toISOString() ?? null,
    reassigned_at: record.reassignedAt?.toISOString() ?? null,
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
    twin_since: record.twinSince?.toISOString() ?? null,
    reserved: record.isReserved,
    free_disk_bytes: record.freeDiskBytes,
    assignment: record.assignment && assignmentView(record.assignment, context),
    command_error: commandError(record.assignment),
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
    deadline: deadlineView(deadlineOfVm(record, context)),
    attention: attentionView(record, context),
  };
}

function commandError(assignment: AssignmentRecord | null): string | null {
  return assignment?.outcome === 'failed' ? assignment.outcomeMessage : null;
}

function deadlineOfVm(record: VmRecord, context: ViewContext): Deadline | null {
  return deadlineOf(
    { status: record.status, statusSince: record.statusSince, assignment: assignmentFacts(record, context) },
    context.now,
    context.deadlines ?? defaultDeadlines,
  );
}

function assignmentFacts({ assignment }: VmRecord, { now, codeLifetimeMs }: ViewContext) {
  if (!assignment) return null;
  return { ...assignment, state: assignmentState(assignment, now, codeLifetimeMs) };
}

function deadlineView(deadline: Deadline | null): components['schemas']['Deadline'] | null {
  if (!deadline) return null;
  const { activity, since, at, typicalSeconds, overdue } = deadline;
  return {
    activity,
    since: since.toISOString(),
    due_at: at.toISOString(),
    typical_seconds: typicalSeconds,
    overdue_message: overdue,
  };
}

/** Why the VM needs attention; null if it does not. */
export function attentionView(
  record: VmRecord,
  context: ViewContext,
): components['schemas']['Attention'] | null {
  const attention = attentionOf({
    ...record,
    assignment: assignmentFacts(record, context),
    deadline: deadlineOfVm(record, context),
  });
  return attention && { ...attention, since: attention.since.toISOString() };
}

export function timelineEntryView(entry: TimelineEntry): components['schemas']['VmTimelineEntry'] {
  return { at: entry.at.toISOString(), kind: entry.kind, text: timelineText(entry), who: entry.who };
}

export function orphansView({ items, checkedAt, error }: Survey): components['schemas']['Orphans'] {
  return {
    items: items.map(({ launchId, instanceType, ...item }) => ({
      ...item,
      launch_id: launchId,
      instance_type: instanceType,
    })),
    checked_at: checkedAt?.toISOString() ?? null,
    error,
  };
}

export function operationView(record: OperationRecord): components['schemas']['Operation'] {
  return {
    id: record.id,
    ...(record.scheduleId !== null && { schedule_id: record.scheduleId }),
    kind: record.kind,
    status: record.status,
    message: operationMessage(record),
    requested_by: record.requestedBy,
    requested_at: record.requestedAt.toISOString(),
    started_at: record.startedAt?.toISOString() ?? null,
    ended_at: record.endedAt?.toISOString() ?? null,
    cancel_requested_at: record.cancelRequestedAt?.toISOString() ?? null,
    num_vms: record.numVms,
    hostnames: record.hostnames && [...record.hostnames],
    shutdown_at: record.shutdownAt?.toISOString() ?? null,
    progress: { done: record.done, failed: record.failed, total: record.total },
    problem: record.problem,
  };
}

export function operationEventView({
  at,
  level,
  hostname,
  text,
}: OperationEventRecord): components['schemas']['OperationEvent'] {
  return { at: at.toISOString(), level, hostname, text };
}

export function operationVmView({ at, ...machine }: OperationVmRecord): components['schemas']['OperationVm'] {
  return { ...machine, at: at.toISOString() };
}

export function operationAddress({ id }: Pick<OperationRecord, 'id'>): string {
  return `/api/v1/operations/${id}`;
}

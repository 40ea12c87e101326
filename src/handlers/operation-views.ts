// Operations, and what they tell, as the contract has them.
import type { components } from '../contract/openapi.gen.ts';
import type { OperationEventRecord } from '../db/operation-events.ts';
import type { OperationVmRecord } from '../db/operation-vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import { operationMessage } from '../vms/operation.ts';

export function operationView(record: OperationRecord): components['schemas']['Operation'] {
  return {
    id: record.id,
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

export function operationEventView(record: OperationEventRecord): components['schemas']['OperationEvent'] {
  return {
    at: record.at.toISOString(),
    level: record.level,
    hostname: record.hostname,
    text: record.text,
  };
}

export function operationVmView({ at, ...machine }: OperationVmRecord): components['schemas']['OperationVm'] {
  return { ...machine, at: at.toISOString() };
}

export function operationAddress({ id }: Pick<OperationRecord, 'id'>): string {
  return `/api/v1/operations/${id}`;
}

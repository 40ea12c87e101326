// What VMs report and wait for. Value in, value out.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { recordOutcome } from '../db/delivery.ts';
import {
  reportGpuHealth,
  reportHeartbeat,
  reportInUse,
  reportStatus,
  type ReportResult,
} from '../db/reports.ts';
import { pendingRecycle } from '../db/recycling.ts';
import { vmExists } from '../db/vms.ts';
import { recordTimings } from '../db/timings.ts';
import type { Dispatcher } from '../delivery/dispatcher.ts';
import { readGpuHealth, type Provider } from '../vms/status.ts';
import { readTimings } from '../vms/timings.ts';
import { createLogIntake, type LogKeeper } from './log-intake.ts';

export type VmDependencies = {
  readonly db: Db;
  readonly dispatcher: Dispatcher;
  readonly logs: LogKeeper;
  /** Of machines that come by themselves. */
  readonly bornAs: Provider;
};

export function createVmHandlers(dependencies: VmDependencies): HandlersOf<'vm'> {
  const { db } = dependencies;
  return {
    vmStartup: (input) => waitForAssignment(dependencies, input),
    updateVmStatus: async ({ body }) => {
      await reportStatus(db, { ...body, provider: dependencies.bornAs });
      return done('VM status updated successfully.');
    },
    updateInUseStatus: async ({ body }) =>
      answerReport(await reportInUse(db, body.hostname, body.status), 'In-use status updated successfully.'),
    updateGpuHealth: async ({ body }) => {
      const health = readGpuHealth(body.gpu_status);
      if (health === null) return problem('invalid_request', { errors: [GPU_STATUS_UNKNOWN] });
      return answerReport(
        await reportGpuHealth(db, body.hostname, health),
        'GPU health status updated successfully.',
      );
    },
    postVmMetrics: async ({ path, body }) =>
      answerReport(
        await recordTimings(db, path.hostname, readTimings(body)),
        'VM metrics posted successfully.',
      ),
    postVmLogs: createLogIntake(dependencies),
    postHeartbeat: async ({ path, body }) => {
      const heartbeat = { bootId: body.boot_id, freeDiskBytes: body.free_disk_bytes ?? null };
      const result = await reportHeartbeat(db, path.hostname, heartbeat);
      if (result === 'unknown_vm') return problem('vm_not_found');
      return answerHeartbeat(result === 'late' ? null : await pendingRecycle(db, path.hostname));
    },
    postOutcome: (input) => acknowledge(db, input),
  };
}

const GPU_STATUS_UNKNOWN = {
  field: 'gpu_status',
  code: 'enum',
  message: 'must be one of: Healthy, Unhealthy, N/A',
};

type Done = { readonly status: 200; readonly type: 'application/json'; readonly body: { message: string } };

function done(message: string): Done {
  return { status: 200, type: 'application/json', body: { message } };
}

/** A machine that is being destroyed is answered as if all were well: it has nobody to tell. */
function answerReport(result: ReportResult, message: string) {
  return result === 'unknown_vm' ? problem('vm_not_found') : done(message);
}

function answerHeartbeat(recycle: { readonly assignmentId: string | null } | null): Reply<'postHeartbeat'> {
  const action = recycle ? 'recycle' : 'none';
  const body = {
    message: 'Heartbeat recorded.',
    action,
    assignment_id: recycle?.assignmentId ?? null,
  } as const;
  return { status: 200, type: 'application/json', body };
}

async function waitForAssignment(
  { db, dispatcher }: VmDependencies,
  { body, signal }: Input<'vmStartup'>,
): Promise<Reply<'vmStartup'>> {
  const { hostname } = body;
  if (!(await vmExists(db, hostname))) return problem('vm_not_found');
  const result = await dispatcher.wait({ hostname, confirms: body.confirms === true, signal });
  switch (result.kind) {
    case 'delivered': {
      const { assignmentId, command, commandNumber, pin } = result.delivery;
      return {
        status: 200,
        type: 'application/json',
        body: { status: 'success', pin, command, assignment_id: assignmentId, command_number: commandNumber },
      };
    }
    case 'superseded':
      return problem('poll_superseded');
    case 'full':
      return problem('overloaded', {
        detail: 'Too many VMs are waiting on this server. Poll again in a minute.',
      });
    case 'timed_out':
      return problem('poll_timed_out');
    case 'stopping':
    case 'gone':
      return problem('stopping');
  }
}

async function acknowledge(
  db: Db,
  { path, body, caller }: Input<'postOutcome'>,
): Promise<Reply<'postOutcome'>> {
  const result = await recordOutcome(db, {
    assignmentId: path.id,
    hostname: caller.kind === 'vm' ? caller.hostname : body.hostname,
    outcome: body.outcome,
    commandNumber: body.command_number ?? null,
    message: body.message ?? null,
  });
  switch (result) {
    case 'recorded':
      return done('Outcome recorded.');
    case 'unknown':
      return problem('assignment_not_found', { detail: 'This VM has no such assignment.' });
    case 'released':
      return problem('assignment_released');
    case 'replaced':
      return problem('command_replaced');
  }
}

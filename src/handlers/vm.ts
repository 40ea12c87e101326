// Reports of VMs, and the poll on which they wait for an assignment.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { recordOutcome } from '../db/outcomes.ts';
import {
  reportGpuHealth,
  reportHeartbeat,
  reportInUse,
  reportStatus,
  type ReportResult,
} from '../db/reports.ts';
import { pendingRecycle } from '../db/recycling.ts';
import type { MadeAt } from '../db/seen.ts';
import { vmExists } from '../db/vms.ts';
import { recordTimings } from '../db/timings.ts';
import type { Dispatcher } from '../delivery/dispatcher.ts';
import { readGpuHealth, type Provider } from '../vms/status.ts';
import { readTimings } from '../vms/timings.ts';
import { createLogIntake, type LogQueue } from './log-intake.ts';
import { json } from './replies.ts';

export type VmDependencies = {
  readonly db: Db;
  readonly dispatcher: Dispatcher;
  readonly logQueue: LogQueue;
  /** Whether the disk has space for them. */
  readonly hasSpaceForLogs: () => Promise<boolean>;
  /** How many VMs may report without having been launched or registered. */
  readonly maxReportedVms: number;
  /** The provider of VMs that report without having been launched or registered. */
  readonly unknownVmProvider: Provider;
};

export function createVmHandlers(dependencies: VmDependencies): HandlersOf<'vm'> {
  const { db } = dependencies;
  return {
    vmStartup: (input) => waitForAssignment(dependencies, input),
    updateVmStatus: async ({ body }) => {
      const { unknownVmProvider: provider, maxReportedVms: most } = dependencies;
      const { hostname, status, boot_id: bootId, uptime_ms: uptimeMs } = body;
      const madeAt = bootId === undefined || uptimeMs === undefined ? undefined : { bootId, uptimeMs };
      if ((await reportStatus(db, { hostname, status, madeAt, provider }, most)) === 'too_many')
        return problem('overloaded', { detail: TOO_MANY });
      return json({ message: 'VM status updated successfully.' });
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
    postHeartbeat: async ({ path, body, address }) => {
      const heartbeat = { bootId: body.boot_id, address, freeDiskBytes: body.free_disk_bytes ?? null };
      const result = await reportHeartbeat(db, path.hostname, heartbeat);
      if (result === 'unknown_vm') return problem('vm_not_found');
      if (result === 'late') return answerHeartbeat(null, null);
      return answerHeartbeat(await pendingRecycle(db, path.hostname), result.lastStatus);
    },
    postOutcome: (input) => acknowledge(db, input),
  };
}

const GPU_STATUS_UNKNOWN = {
  field: 'gpu_status',
  code: 'enum',
  message: 'gpu_status must be one of: Healthy, Unhealthy, N/A',
};

/** A late report of a destroyed VM is answered with success: the VM can do nothing about an error. */
function answerReport(result: ReportResult, message: string) {
  return result === 'unknown_vm' ? problem('vm_not_found') : json({ message });
}

const TOO_MANY =
  'Too many machines have reported that nobody launched or registered (MAX_REPORTED_VMS). An admin must remove some.';

function answerHeartbeat(
  recycle: { readonly assignmentId: string | null } | null,
  last: MadeAt | null,
): Reply<'postHeartbeat'> {
  return json({
    message: 'Heartbeat recorded.',
    action: recycle ? ('recycle' as const) : ('none' as const),
    assignment_id: recycle?.assignmentId ?? null,
    last_status: last && { boot_id: last.bootId, uptime_ms: last.uptimeMs },
  });
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
      return json({
        status: 'success' as const,
        pin,
        command,
        assignment_id: assignmentId,
        command_number: commandNumber,
      });
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
      return json({ message: 'Outcome recorded.' });
    case 'unknown':
      return problem('assignment_not_found', { detail: 'This VM has no such assignment.' });
    case 'released':
      return problem('assignment_released');
    case 'replaced':
      return problem('command_replaced');
  }
}

// Which machines need attention, and why; each machine has its most urgent reason. Pure.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from './assignment.ts';
import type { Deadline } from './deadlines.ts';
import { compareHostnames } from './hostnames.ts';
import type { VmStatus } from './lifecycle.ts';
import { isGpuUnhealthy, type GpuHealth } from './status.ts';

type AttentionReason = components['schemas']['Attention']['reason'];

export type AttentionFacts = {
  readonly hostname: string;
  readonly status: VmStatus;
  readonly statusSince: Date;
  readonly gpuHealth: GpuHealth | null;
  readonly assignment: {
    readonly email: string;
    readonly state: AssignmentState;
    readonly commandAt: Date;
  } | null;
  readonly deadline: Deadline | null;
};

export type Attention = {
  readonly hostname: string;
  /** The participant's; null if the machine is not assigned. */
  readonly email: string | null;
  readonly reason: AttentionReason;
  /** What happened, then what to do. */
  readonly message: string;
  readonly since: Date;
};

/** Reason → urgency. Participants who cannot work come before machines that are not assigned. */
const urgency = {
  machine_lost: 0,
  command_failed: 1,
  overdue: 2,
  error: 3,
  unreachable: 4,
  gpu_unhealthy: 5,
} as const satisfies Record<AttentionReason, number>;

type Urgent = { readonly hostname: string; readonly reason: AttentionReason };

/** The most urgent first, then by hostname. */
export function byUrgency(one: Urgent, other: Urgent): number {
  return urgency[one.reason] - urgency[other.reason] || compareHostnames(one.hostname, other.hostname);
}

/** Null if the machine needs no attention. */
export function attentionOf(machine: AttentionFacts): Attention | null {
  const { hostname, status, statusSince, assignment, deadline } = machine;
  const live = assignment && assignment.state !== 'released' ? assignment : null;
  const entry = (reason: AttentionReason, message: string, since: Date): Attention => ({
    hostname,
    email: live?.email ?? null,
    reason,
    message,
    since,
  });
  if (status === 'error' || status === 'unreachable') {
    if (live) return entry('machine_lost', lost[status], statusSince);
    return entry(status, unusable[status], statusSince);
  }
  if (live && (live.state === 'failed' || live.state === 'expired'))
    return entry('command_failed', commands[live.state], live.commandAt);
  if (deadline?.overdue) return entry('overdue', deadline.overdue, deadline.since);
  if (isGpuUnhealthy(machine)) return entry('gpu_unhealthy', GPU, statusSince);
  return null;
}

const lost = {
  error: 'The machine reported an error and its participant cannot work. Assign another machine.',
  unreachable: 'The machine has stopped responding and its participant cannot work. Assign another machine.',
} as const;

const unusable = {
  error: 'The machine reported an error. Check its log; then mark it as healthy, restart it or destroy it.',
  unreachable:
    'The machine has stopped responding. It recovers with its next report; otherwise restart or destroy it.',
} as const;

const commands = {
  failed: 'The participant’s command did not work. Ask them to paste a new command.',
  expired: 'The participant’s code has expired. Ask them to paste a new command.',
} as const;

const GPU =
  'The GPU is unhealthy; this machine is assigned last. Mark it as healthy once the problem is fixed.';

// What needs the admin, and why: the most urgent first, a machine once. Pure.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from './assignment.ts';
import type { Deadline } from './deadlines.ts';
import { compareHostnames } from './hostnames.ts';
import type { GpuHealth, VmStatus } from './status.ts';

export type AttentionReason = components['schemas']['Attention']['reason'];

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
  /** Of the participant whom it concerns. */
  readonly email: string | null;
  readonly reason: AttentionReason;
  /** What is the matter, and what to do. */
  readonly message: string;
  readonly since: Date;
};

/** Reason → how urgent; people who cannot work come before machines that nobody has. */
const urgency = {
  machine_lost: 0,
  command_failed: 1,
  overdue: 2,
  error: 3,
  unreachable: 4,
  gpu_unhealthy: 5,
} as const satisfies Record<AttentionReason, number>;

type Urgent = { readonly hostname: string; readonly reason: AttentionReason };

/** The most urgent first; by hostname among equals. */
export function byUrgency(one: Urgent, other: Urgent): number {
  return urgency[one.reason] - urgency[other.reason] || compareHostnames(one.hostname, other.hostname);
}

/** Null where the machine is well. */
export function attentionOf(machine: AttentionFacts): Attention | null {
  const { hostname, status, statusSince, gpuHealth, assignment, deadline } = machine;
  const person = assignment && assignment.state !== 'released' ? assignment : null;
  const say = (reason: AttentionReason, message: string, since: Date): Attention => ({
    hostname,
    email: person?.email ?? null,
    reason,
    message,
    since,
  });
  if (status === 'error' || status === 'unreachable') {
    if (person) return say('machine_lost', lost[status], statusSince);
    return say(status, unusable[status], statusSince);
  }
  if (person && (person.state === 'failed' || person.state === 'expired'))
    return say('command_failed', commands[person.state], person.commandAt);
  if (deadline?.overdue) return say('overdue', deadline.overdue, deadline.since);
  if (gpuHealth === 'Unhealthy') return say('gpu_unhealthy', GPU, statusSince);
  return null;
}

const lost = {
  error: 'It has reported an error, and its person cannot work. Give them another machine.',
  unreachable: 'Nothing is heard of it, and its person cannot work. Give them another machine.',
} as const;

const unusable = {
  error: 'It has reported an error. Look at its log; then mark it healthy, restart it or destroy it.',
  unreachable: 'Nothing is heard of it. It comes back with its next report; else restart or destroy it.',
} as const;

const commands = {
  failed: 'The command of its person did not work. They need to paste a fresh one on their page.',
  expired: 'The code of its person is too old. They need to paste a fresh one on their page.',
} as const;

const GPU = 'Its GPU is unhealthy; it is given away last. Mark it healthy if that is over.';

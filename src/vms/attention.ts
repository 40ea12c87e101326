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
    readonly reassignedAt: Date | null;
    /** What the agent said about the outcome. */
    readonly outcomeMessage: string | null;
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
  const trouble = live && status !== 'destroying' ? commandTrouble(live) : null;
  if (trouble) return entry(trouble.reason, trouble.message, trouble.since);
  if (deadline?.overdue) return entry('overdue', deadline.overdue, deadline.since);
  if (isGpuUnhealthy(machine)) return entry('gpu_unhealthy', GPU, statusSince);
  return null;
}

type Trouble = Pick<Attention, 'reason' | 'message' | 'since'>;

/** What is wrong with the command of a participant. */
function commandTrouble(live: NonNullable<AttentionFacts['assignment']>): Trouble | null {
  const { state, commandAt, reassignedAt, outcomeMessage } = live;
  switch (state) {
    case 'machine_lost':
      return { reason: 'machine_lost', message: NOT_ASKING, since: commandAt };
    case 'expired':
      return reassignedAt
        ? { reason: 'command_failed', message: MOVED, since: reassignedAt }
        : { reason: 'command_failed', message: EXPIRED, since: commandAt };
    case 'failed':
      return { reason: 'command_failed', message: failedSentence(outcomeMessage), since: commandAt };
    default:
      return null;
  }
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

const EXPIRED = 'The participant’s code has expired. Ask them to paste a new command.';

/** The agent's words can be a whole output; the page of the machine has all of them. */
const REASON_MAX_LENGTH = 160;

function failedSentence(reason: string | null): string {
  const said = reason?.trim().replace(/\.$/, '') ?? '';
  const short = said.length > REASON_MAX_LENGTH ? `${said.slice(0, REASON_MAX_LENGTH)}…` : said;
  return `The participant’s command did not work${short === '' ? '' : ` (${short})`}. Ask them to paste a new command.`;
}

const NOT_ASKING =
  'The machine is not picking up the participant’s command, and a new one would not help. Assign another machine.';

const MOVED =
  'The participant was moved to this machine and needs a new command. Ask them to paste one on their page.';

const GPU =
  'The GPU is unhealthy; this machine is assigned last. Mark it as healthy once the problem is fixed.';

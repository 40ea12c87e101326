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
  readonly gpuSince: Date | null;
  readonly twinSince: Date | null;
  readonly twinAddresses: readonly string[];
  readonly assignment: {
    readonly email: string;
    /** On the roster; '' without one. */
    readonly name: string;
    readonly state: AssignmentState;
    readonly commandAt: Date;
    readonly reassignedAt: Date | null;
    /** What the agent said about the outcome. */
    readonly outcomeMessage: string | null;
    readonly pinFailures: number;
  } | null;
  readonly deadline: Deadline | null;
};

export type Attention = {
  readonly hostname: string;
  /** The participant's; null if the machine is not assigned. */
  readonly email: string | null;
  /** The participant's on the roster; absent where there is none. */
  readonly name?: string;
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
  twin: 3,
  wrong_pins: 4,
  error: 5,
  unreachable: 6,
  gpu_unhealthy: 7,
  many_by_one: 8,
} as const satisfies Record<AttentionReason, number>;

type Urgent = { readonly hostname: string; readonly reason: AttentionReason };

/** The most urgent first, then by hostname. */
export function byUrgency(one: Urgent, other: Urgent): number {
  return urgency[one.reason] - urgency[other.reason] || compareHostnames(one.hostname, other.hostname);
}

/** Null if the machine needs no attention. */
export function attentionOf(machine: AttentionFacts): Attention | null {
  const { hostname, status, statusSince, assignment } = machine;
  const live = assignment && assignment.state !== 'released' ? assignment : null;
  const entry = (reason: AttentionReason, message: string, since: Date): Attention => ({
    hostname,
    email: live?.email ?? null,
    ...nameOf(live),
    reason,
    message,
    since,
  });
  if (status === 'error' || status === 'unreachable') {
    if (live) return entry('machine_lost', lost[status], statusSince);
    return entry(status, unusable[status], statusSince);
  }
  const served = status === 'destroying' ? null : live;
  const trouble = (served && commandTrouble(served)) ?? machineTrouble(machine, served);
  return trouble && entry(trouble.reason, trouble.message, trouble.since);
}

function nameOf(assignment: { readonly name: string } | null): { readonly name?: string } {
  return assignment === null || assignment.name === '' ? {} : { name: assignment.name };
}

/** What is wrong besides the status and the command; the most urgent first. */
function machineTrouble(machine: AttentionFacts, served: AttentionFacts['assignment']): Trouble | null {
  const { deadline, twinSince } = machine;
  if (deadline?.overdue) return { reason: 'overdue', message: deadline.overdue, since: deadline.since };
  if (twinSince) return { reason: 'twin', message: twinSentence(machine.twinAddresses), since: twinSince };
  const wrongPins = served && wrongPinsSentence(served.pinFailures);
  if (wrongPins) return { reason: 'wrong_pins', message: wrongPins, since: served.commandAt };
  if (!isGpuUnhealthy(machine)) return null;
  return { reason: 'gpu_unhealthy', message: GPU, since: machine.gpuSince ?? machine.statusSince };
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

/** A person who mistypes a few times needs nobody. */
const WRONG_PINS_TOLD = 4;

function wrongPinsSentence(count: number): string | null {
  if (count < WRONG_PINS_TOLD) return null;
  return `Somebody has entered ${count} wrong PINs for this machine; every fifth locks it for other browsers for minutes. If it is the participant, tell them the PIN. Otherwise they continue in the browser they started with, or you allow a new one.`;
}

function twinSentence(addresses: readonly string[]): string {
  const from = [...new Set(addresses)].join(' and ');
  return `Two machines report under this hostname (from ${from}), for example because a disk was copied. Give one of them another hostname or stop it, then mark this machine as healthy; until then it is assigned to nobody else.`;
}

/** An organiser may hold a few. */
const MANY = 5;

type Requested = {
  readonly hostname: string;
  readonly assignment: {
    readonly email: string;
    readonly name: string;
    readonly browsers: readonly string[];
    readonly requestedFrom: string | null;
    readonly assignedAt: Date;
    readonly releasedAt: Date | null;
  } | null;
};

/** One entry for each browser that holds many machines; it names the first of them. */
export function manyByOne(machines: readonly Requested[]): Attention[] {
  const live = machines.flatMap(({ hostname, assignment }) =>
    assignment === null || assignment.releasedAt !== null ? [] : [{ hostname, assignment }],
  );
  const byBrowser = Map.groupBy(live, ({ assignment }) => assignment.browsers[0] ?? null);
  return [...byBrowser].flatMap(([browser, held]) => {
    const [first] = held.toSorted((one, other) => compareHostnames(one.hostname, other.hostname));
    if (browser === null || first === undefined || held.length < MANY) return [];
    const { email, requestedFrom, assignedAt } = first.assignment;
    const from = requestedFrom === null ? '' : ` (from ${requestedFrom})`;
    const message = `One browser has requested ${held.length} machines${from}. If it is not yours, release them; MAX_VMS_PER_BROWSER limits how many one browser can have.`;
    const who = { email, ...nameOf(first.assignment) };
    return [{ hostname: first.hostname, ...who, reason: 'many_by_one', message, since: assignedAt }];
  });
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

/** The agent's words can be a whole output, whose end has the reason; the page of the machine has all of them. */
const REASON_MAX_LENGTH = 160;

function failedSentence(reason: string | null): string {
  const said = reason?.trim().replace(/\.$/, '') ?? '';
  const short = said.length > REASON_MAX_LENGTH ? `…${said.slice(-REASON_MAX_LENGTH)}` : said;
  return `The participant’s command did not work${short === '' ? '' : ` (${short})`}. Ask them to paste a new command.`;
}

const NOT_ASKING =
  'The machine is not picking up the participant’s command, and a new one would not help. Assign another machine.';

const MOVED =
  'The participant was moved to this machine and needs a new command. Ask them to paste one on their page.';

const GPU =
  'The GPU is unhealthy; this machine is assigned last. Mark it as healthy once the problem is fixed.';

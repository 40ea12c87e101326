// What a machine is doing, when that should be finished, and the sentence for the admin if it is not. Pure; the clock is
// an argument.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from './assignment.ts';
import { sayMinutes } from './minutes.ts';
import type { VmStatus } from './lifecycle.ts';

export type Activity = components['schemas']['Deadline']['activity'];

export type DeadlineLimits = {
  readonly startMs: number;
  /** For a reset and for a destroy. */
  readonly recycleMs: number;
  /** For a command: until it is picked up, and from then until the machine reports the result. */
  readonly deliveryMs: number;
};

export type DeadlineFacts = {
  readonly status: VmStatus;
  readonly statusSince: Date;
  readonly assignment: {
    readonly state: AssignmentState;
    readonly commandAt: Date;
    readonly deliveredAt: Date | null;
  } | null;
};

export type Deadline = {
  readonly activity: Activity;
  readonly since: Date;
  readonly at: Date;
  readonly typicalSeconds: number;
  /** The sentence if it takes too long; otherwise null. */
  readonly overdue: string | null;
};

const MINUTE_MS = 60_000;

/** The defaults of the configuration. */
export const defaultDeadlines: DeadlineLimits = {
  startMs: 15 * MINUTE_MS,
  recycleMs: 10 * MINUTE_MS,
  deliveryMs: 2 * MINUTE_MS,
};

/** How long it usually takes (a cloud VM starts in about five minutes), and its limit. */
const kinds = {
  starting: { typicalSeconds: 300, limit: 'startMs' },
  recycling: { typicalSeconds: 60, limit: 'recycleMs' },
  destroying: { typicalSeconds: 120, limit: 'recycleMs' },
  delivery: { typicalSeconds: 10, limit: 'deliveryMs' },
  confirmation: { typicalSeconds: 20, limit: 'deliveryMs' },
} as const satisfies Record<Activity, { typicalSeconds: number; limit: keyof DeadlineLimits }>;

/** `{for}` is how long it has taken, such as "17 minutes". */
const overdueSentences = {
  starting: 'Starting has taken {for} (normally 5). Check the log.',
  recycling:
    'Resetting has taken {for} (normally 1). Check the log; if the agent cannot reset the machine, destroy it.',
  destroying: 'Destroying has taken {for} (normally 2). Check the operation.',
  delivery:
    'The command has been waiting for {for} (normally seconds); the machine is not picking it up. Check the log, or assign another machine.',
  confirmation:
    'The machine got the command {for} ago and has not reported the result (normally within seconds). Check the log, or ask the participant.',
} as const satisfies Record<Activity, string>;

/** Null if the machine is doing nothing that has a limit. */
export function deadlineOf(facts: DeadlineFacts, now: Date, limits: DeadlineLimits): Deadline | null {
  const current = currentActivity(facts);
  if (current === null) return null;
  const { activity, since } = current;
  const { typicalSeconds, limit } = kinds[activity];
  const at = new Date(since.getTime() + limits[limit]);
  const overdue = now > at ? overdueSentence(activity, now.getTime() - since.getTime()) : null;
  return { activity, since, at, typicalSeconds, overdue };
}

function currentActivity({
  status,
  statusSince,
  assignment,
}: DeadlineFacts): { activity: Activity; since: Date } | null {
  switch (status) {
    case 'initializing':
      return { activity: 'starting', since: statusSince };
    case 'recycling':
    case 'destroying':
      return { activity: status, since: statusSince };
    default:
  }
  if (assignment?.state === 'waiting') return { activity: 'delivery', since: assignment.commandAt };
  if (assignment?.state === 'sent' && assignment.deliveredAt !== null)
    return { activity: 'confirmation', since: assignment.deliveredAt };
  return null;
}

export function overdueSentence(activity: Activity, tookMs: number): string {
  const minutes = Math.floor(tookMs / MINUTE_MS);
  return overdueSentences[activity].replace('{for}', sayMinutes(minutes));
}

// What a machine is busy with, by when it should finish, and what the admin reads when it does not. Pure; the clock is an
// argument.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from './assignment.ts';
import { sayMinutes } from './minutes.ts';
import type { VmStatus } from './status.ts';

export type DeadlineWhat = components['schemas']['Deadline']['activity'];

export type DeadlineLimits = {
  readonly startMs: number;
  /** For resetting, and for destroying. */
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
  readonly what: DeadlineWhat;
  readonly since: Date;
  readonly at: Date;
  readonly usualSeconds: number;
  /** A sentence once it takes too long. */
  readonly overdue: string | null;
};

const MINUTE_MS = 60_000;

/** The defaults of the configuration. */
export const defaultDeadlines: DeadlineLimits = {
  startMs: 15 * MINUTE_MS,
  recycleMs: 10 * MINUTE_MS,
  deliveryMs: 2 * MINUTE_MS,
};

/** How long it usually takes (a cloud VM starts in about five minutes), and which limit applies. */
const kinds = {
  starting: { usualSeconds: 300, limit: 'startMs' },
  recycling: { usualSeconds: 60, limit: 'recycleMs' },
  destroying: { usualSeconds: 120, limit: 'recycleMs' },
  delivery: { usualSeconds: 10, limit: 'deliveryMs' },
  confirmation: { usualSeconds: 20, limit: 'deliveryMs' },
} as const satisfies Record<DeadlineWhat, { usualSeconds: number; limit: keyof DeadlineLimits }>;

/** `{for}` is how long it has taken, such as "17 minutes". */
export const overdueSentences = {
  starting: 'Starting has taken {for} (normally 5). Check the log.',
  recycling:
    'Resetting has taken {for} (normally 1). Check the log; if the agent cannot reset the machine, destroy it.',
  destroying: 'Destroying has taken {for} (normally 2). Check the operation.',
  delivery:
    'The command has been waiting for {for} (normally seconds); the machine is not picking it up. Check the log, or assign another machine.',
  confirmation:
    'The machine got the command {for} ago and has not reported the result (normally within seconds). Check the log, or ask the participant.',
} as const satisfies Record<DeadlineWhat, string>;

/** Null where the machine is busy with nothing. */
export function deadlineOf(facts: DeadlineFacts, now: Date, limits: DeadlineLimits): Deadline | null {
  const going = goingOn(facts);
  if (going === null) return null;
  const { what, since } = going;
  const { usualSeconds, limit } = kinds[what];
  const at = new Date(since.getTime() + limits[limit]);
  const overdue = now > at ? overdueSentence(what, now.getTime() - since.getTime()) : null;
  return { what, since, at, usualSeconds, overdue };
}

function goingOn({
  status,
  statusSince,
  assignment,
}: DeadlineFacts): { what: DeadlineWhat; since: Date } | null {
  switch (status) {
    case 'initializing':
      return { what: 'starting', since: statusSince };
    case 'recycling':
    case 'destroying':
      return { what: status, since: statusSince };
    default:
  }
  if (assignment?.state === 'waiting') return { what: 'delivery', since: assignment.commandAt };
  if (assignment?.state === 'sent' && assignment.deliveredAt !== null)
    return { what: 'confirmation', since: assignment.deliveredAt };
  return null;
}

export function overdueSentence(what: DeadlineWhat, tookMs: number): string {
  const minutes = Math.floor(tookMs / MINUTE_MS);
  return overdueSentences[what].replace('{for}', sayMinutes(minutes));
}

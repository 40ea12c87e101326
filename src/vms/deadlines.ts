// What a machine is in the middle of, by when that should be over, and what is said when it is not. Pure; the clock is
// an argument.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from './assignment.ts';
import { sayMinutes } from './minutes.ts';
import type { VmStatus } from './status.ts';

export type DeadlineWhat = components['schemas']['Deadline']['what'];

export type DeadlineLimits = {
  readonly startMs: number;
  /** Of being emptied, and of being destroyed. */
  readonly recycleMs: number;
  /** Of a command: until it is fetched, and from then until the machine says how it went. */
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
  /** A sentence, when it takes too long already. */
  readonly overdue: string | null;
};

const MINUTE_MS = 60_000;

/** As the configuration has them where nothing is said. */
export const defaultDeadlines: DeadlineLimits = {
  startMs: 15 * MINUTE_MS,
  recycleMs: 10 * MINUTE_MS,
  deliveryMs: 2 * MINUTE_MS,
};

/** How long it usually takes (a VM of the cloud starts in about five minutes), and which limit counts. */
const kinds = {
  starting: { usualSeconds: 300, limit: 'startMs' },
  recycling: { usualSeconds: 60, limit: 'recycleMs' },
  destroying: { usualSeconds: 120, limit: 'recycleMs' },
  delivery: { usualSeconds: 10, limit: 'deliveryMs' },
  confirmation: { usualSeconds: 20, limit: 'deliveryMs' },
} as const satisfies Record<DeadlineWhat, { usualSeconds: number; limit: keyof DeadlineLimits }>;

/** `{for}` stands for how long it has taken, such as "17 minutes". */
export const overdueSentences = {
  starting: 'Starting for {for}, usually 5: look at its log.',
  recycling:
    'Being emptied for {for}, usually 1: look at its log. A machine whose agent cannot empty it stays so until it is destroyed.',
  destroying: 'Being destroyed for {for}, usually 2: look at the operation.',
  delivery:
    'Its command has waited for {for}, usually seconds: the machine does not ask for it. Look at its log, or give its person another machine.',
  confirmation:
    'It has had its command for {for} and has not said how that went, usually seconds: look at its log, or ask its person.',
} as const satisfies Record<DeadlineWhat, string>;

/** Null where the machine is in the middle of nothing. */
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

/** What is said of something that has taken so long. */
export function overdueSentence(what: DeadlineWhat, tookMs: number): string {
  const minutes = Math.floor(tookMs / MINUTE_MS);
  return overdueSentences[what].replace('{for}', sayMinutes(minutes));
}

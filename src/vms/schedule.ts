// The rules of the schedule: what an entry may be, when it is too late, and what it says. Pure.
import { z } from 'zod';
import type { components } from '../contract/openapi.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import { fail, succeed, type Result } from '../result.ts';
import { machines, namesOrCount, readOneOf } from './operation.ts';
import { HOURS_MAX } from './shutdown.ts';
import { momentOf, readWallTime, readZone, type ZonedMoment } from './zoned-time.ts';

export type ScheduleState = components['schemas']['ScheduleState'];
type Kind = components['schemas']['OperationKind'];

/** What the organiser decides about an entry. */
export type Plan = {
  readonly kind: Kind;
  /** `2027-03-28T08:00`, in the zone. */
  readonly wallTime: string;
  readonly zone: string;
  readonly dueAt: Date;
  /** Null for a destroy. */
  readonly numVms: number | null;
  /** Until the VMs of a launch shut down; null: what the server is configured for. */
  readonly hours: number | null;
  /** Whether a destroy downloads the participants' files before. */
  readonly download: boolean;
};

/** An entry that waits, is skipped, or needs a decision. */
export const ENTRIES_MAX = 100;
export const LATE_LAUNCH_MINUTES = 30;
const MINUTE_MS = 60_000;

/** State → whether it is still to come, or to be decided. */
const states = {
  pending: true,
  running: true,
  skipped: true,
  missed: true,
  done: false,
  cancelled: false,
} as const satisfies Record<ScheduleState, boolean>;

export function isOpen(state: ScheduleState): boolean {
  return states[state];
}

/** A stored state; throws for an unknown one, which is a bug. */
export function readScheduleState(stored: string): ScheduleState {
  return readOneOf(states, stored);
}

export const openStates: readonly ScheduleState[] = Object.keys(states).map(readScheduleState).filter(isOpen);

/**
 * A launch that begins later is of no use, or a surprise; a destroy is never too late.
 * @param wantedAt its time, or when somebody asked to run it
 */
export function isTooLate({ kind }: Pick<Plan, 'kind'>, wantedAt: Date, now: Date): boolean {
  return kind === 'launch' && now.getTime() - wantedAt.getTime() >= LATE_LAUNCH_MINUTES * MINUTE_MS;
}

const wholeNumber = (most: number, what: string) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .trim()
          .regex(/^\d{1,9}$/)
          .transform(Number),
      ],
      { error: `must be ${what}` },
    )
    .refine((value) => Number.isSafeInteger(value) && value >= 1, `must be ${what}`)
    .refine((value) => value <= most, `must be at most ${most}`);

const emptyAsNone = (value: unknown): unknown =>
  typeof value === 'string' && value.trim() === '' ? undefined : value;

const requestSchema = (maxVms: number) =>
  z.object({
    kind: z.enum(['launch', 'destroy'], { error: 'must be launch or destroy' }),
    time: z.string().transform((typed, context) => {
      const wallTime = readWallTime(typed);
      if (wallTime !== null) return wallTime;
      context.addIssue({ code: 'custom', message: 'must be a time such as 2027-03-01T08:00' });
      return z.NEVER;
    }),
    zone: z.string().transform((typed, context) => {
      const zone = readZone(typed);
      if (zone !== null) return zone;
      context.addIssue({ code: 'custom', message: 'must be a time zone such as Europe/Berlin' });
      return z.NEVER;
    }),
    num_vms: z.preprocess(emptyAsNone, wholeNumber(maxVms, 'a number of machines').optional()),
    hours: z.preprocess(emptyAsNone, wholeNumber(HOURS_MAX, 'a number of hours').optional()),
    download: z.preprocess(
      emptyAsNone,
      z.union([z.boolean(), z.stringbool()], { error: 'must be true or false' }).optional(),
    ),
  });

/** A field, and the kind that it belongs to. */
const ownFields = [
  ['num_vms', 'launch'],
  ['hours', 'launch'],
  ['download', 'destroy'],
] as const;

/** A field of the other kind is refused, because somebody expects something of it. @param now the database's time */
export function readPlan(
  request: Readonly<Record<string, unknown>>,
  { now, maxVms }: { readonly now: Date; readonly maxVms: number },
): Result<Plan, readonly FieldError[]> {
  const read = requestSchema(maxVms).safeParse(request);
  const errors = read.success
    ? []
    : read.error.issues.map(({ path, message }) => wrong(String(path[0]), 'format', message));
  if (!read.success) return fail(errors);
  const { kind, time: wallTime, zone, num_vms: numVms, hours, download = false } = read.data;
  for (const [field, owner] of ownFields)
    if (owner !== kind && (read.data[field] ?? false) !== false)
      errors.push(wrong(field, 'unexpected', `belongs to a ${owner}; leave it out for a ${kind}`));
  if (kind === 'launch' && numVms === undefined)
    errors.push(wrong('num_vms', 'required', 'is required for a launch'));
  const { at: dueAt } = momentOf(wallTime, zone);
  if (dueAt.getTime() <= now.getTime()) errors.push(wrong('time', 'minimum', 'must be in the future'));
  if (errors.length > 0) return fail(errors);
  return succeed({ kind, wallTime, zone, dueAt, numVms: numVms ?? null, hours: hours ?? null, download });
}

function wrong(field: string, code: string, message: string): FieldError {
  return { field, code, message: `${field} ${message}` };
}

/** `Launch 40 machines`, `Destroy all machines after downloading all files`. */
export function describePlan({ kind, numVms, download }: Pick<Plan, 'kind' | 'numVms' | 'download'>): string {
  if (kind === 'launch') return `Launch ${machines(numVms ?? 0)}`;
  return download ? 'Download all files, then destroy all machines' : 'Destroy all machines';
}

/** What daylight saving does to the time; null: nothing. */
export function shiftSentence({ shift }: ZonedMoment, wallTime: string, zone: string): string | null {
  const clock = wallTime.slice('YYYY-MM-DDT'.length);
  if (shift === 'gap')
    return `Clocks in ${zone} are moved forward over ${clock} on this day: it runs at the first moment after the change.`;
  if (shift === 'overlap')
    return `Clocks in ${zone} are moved back and show ${clock} twice on this day: it runs the first time.`;
  return null;
}

type Progress = Pick<Plan, 'kind' | 'download'> & {
  /** Somebody asked to run it at once. */
  readonly run: { readonly by: string; readonly at: Date } | null;
  readonly state: ScheduleState;
  readonly problem: string | null;
  readonly kept: readonly string[];
};

/** What happens with an entry now, as a sentence. */
export function scheduleMessage({ kind, download, run, state, problem, kept }: Progress): string {
  switch (state) {
    case 'pending':
    case 'missed':
      return problem ?? (run === null ? 'Waits for its time.' : 'It is about to run.');
    case 'running':
      return download ? 'The files of the participants are being downloaded.' : 'It is starting.';
    case 'skipped':
      return 'Skipped: nothing happens at its time.';
    case 'cancelled':
      return kept.length === 0 ? 'Cancelled.' : `Cancelled; kept: ${namesOrCount(kept)}.`;
    case 'done':
      return kind === 'launch' ? 'The launch was started.' : 'The destroy was started.';
  }
}

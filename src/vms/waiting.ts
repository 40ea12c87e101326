// The rules of the waiting list: who is present, how long a machine stays reserved, what a person reads, and for how long they
// probably wait. db/waiting-list.ts carries them out. Pure.
import { sayMinutes } from './minutes.ts';
import { machines } from './operation.ts';

/** Who has not asked for longer is skipped; browsers wake a page in the background once a minute. */
export const PRESENT_SECONDS = 90;
/** How long a machine is reserved for one person. */
export const RESERVATION_SECONDS = 180;
/** So many reservations that ran out end a place. */
export const MAX_MISSED = 2;
/** A place is forgotten when its page has not asked for so long. */
export const FORGOTTEN_HOURS = 12;

/** Why somebody is not on the list any more, but still reads of it. */
export type LeftReason = 'missed' | 'removed';
export const leftReasons: readonly LeftReason[] = ['missed', 'removed'];

export type PlaceState = 'waiting' | 'reserved' | 'left';

/** What decides how long somebody waits; null where it is not known. */
export type WaitFacts = {
  /** A launch that is running: machines that are not ready yet, for how long it has run, and how long most starts take. */
  readonly launch: {
    readonly starting: number;
    readonly runningSeconds: number;
    readonly startSeconds: number | null;
  } | null;
  /** The median of the time between two releases, in the last half hour. */
  readonly secondsPerRelease: number | null;
};

/** The waits that pages show, in minutes: fine enough to plan with, coarse enough not to flicker. */
const STEPS = [2, 5, 10, 15, 20, 30, 45, 60, 90, 120] as const;
/** A launch that should be over is expected in a minute, not in the past. */
const SOON_SECONDS = 60;

/**
 * How long somebody waits who has `ahead` people before them, as a step; null = not known. Machines that are starting are for
 * those who are first; the others wait for releases.
 */
export function estimateStep(ahead: number, { launch, secondsPerRelease }: WaitFacts): number | null {
  const startSeconds = launch?.startSeconds ?? null;
  const starting = launch === null || startSeconds === null ? 0 : launch.starting;
  if (launch !== null && startSeconds !== null && ahead < starting)
    return stepOf(Math.max(SOON_SECONDS, startSeconds - launch.runningSeconds));
  return secondsPerRelease === null ? null : stepOf((ahead + 1 - starting) * secondsPerRelease);
}

function stepOf(seconds: number): number {
  const step = STEPS.findIndex((minutes) => seconds <= minutes * 60);
  return step === -1 ? STEPS.length : step;
}

/** What is shown: never more than one step worse than the best that was shown before. */
export function shownStep(step: number | null, best: number | null): number | null {
  return step === null || best === null ? step : Math.min(step, best + 1);
}

/** The upper bound of a step; null = longer than all, or not known. */
export function minutesOfStep(step: number | null): number | null {
  return step === null ? null : (STEPS[step] ?? null);
}

export function waitSentence(step: number | null): string {
  if (step === null) return 'How long you will wait is not known.';
  const minutes = STEPS[step];
  if (minutes === undefined)
    return `You will probably wait for more than ${sayMinutes(STEPS[STEPS.length - 1] ?? 0)}.`;
  return `You will probably wait for up to ${sayMinutes(minutes)}.`;
}

export function aheadSentence(ahead: number): string {
  if (ahead === 0) return 'You are next.';
  return ahead === 1 ? '1 person before you.' : `${ahead} people before you.`;
}

/** How many machines are missing for everybody on the list. */
export function missingMachines(facts: {
  readonly waiting: number;
  /** Free and not reserved. */
  readonly free: number;
  readonly starting: number;
  readonly resetting: number;
}): number {
  return Math.max(0, facts.waiting - facts.free - facts.starting - facts.resetting);
}

/** For the organiser; empty where nobody waits. */
export function queueSentence(waiting: number, missing: number): string {
  if (waiting === 0) return 'Nobody is waiting.';
  const who = waiting === 1 ? '1 person is waiting.' : `${waiting} people are waiting.`;
  if (missing === 0) return `${who} Machines for all of them are starting or being reset.`;
  return `${who} ${machines(missing)} ${missing === 1 ? 'is' : 'are'} missing.`;
}

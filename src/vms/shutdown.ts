// When machines end: the hours of a launch, and what becomes of a machine whose end is over. Pure.

export const HOURS_MIN = 1;
export const HOURS_MAX = 72;
/** A shutdown takes its time, and so does EC2 to say that a machine is gone. */
const PATIENCE_MINUTES = 15;
const MINUTE_MS = 60_000;

export function hoursFrom(now: Date, hours: number): Date {
  return new Date(now.getTime() + hours * 60 * MINUTE_MS);
}

/**
 * Should it be gone by now, with the grace and some patience?
 * @param graceMinutes so long after its end a machine ends itself, so that a late participant can save their work
 */
export function isOverdue(shutdownAt: Date | null, now: Date, graceMinutes: number): boolean {
  const patienceMs = (graceMinutes + PATIENCE_MINUTES) * MINUTE_MS;
  return shutdownAt !== null && now.getTime() > shutdownAt.getTime() + patienceMs;
}

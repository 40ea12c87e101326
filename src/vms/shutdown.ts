// Shutdown times of machines: the hours of a launch, and machines that exist for too long. Pure.

export const HOURS_MAX = 72;
/** For the shutdown itself, and until EC2 reports it. */
const SHUTDOWN_MINUTES = 15;
const MINUTE_MS = 60_000;

export function hoursFrom(now: Date, hours: number): Date {
  return new Date(now.getTime() + hours * 60 * MINUTE_MS);
}

/**
 * Whether the machine should have shut down by now.
 * @param graceMinutes how long after its shutdown time a machine stays up, so that participants can save their work
 */
export function isOverdue(shutdownAt: Date | null, now: Date, graceMinutes: number): boolean {
  const allowedMs = (graceMinutes + SHUTDOWN_MINUTES) * MINUTE_MS;
  return shutdownAt !== null && now.getTime() > shutdownAt.getTime() + allowedMs;
}

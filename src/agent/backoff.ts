// How long to wait before the next try: full jitter, bounded, and never less than the allocator asked for. Pure.

export type BackoffLimits = { readonly backoffFirstMs: number; readonly backoffMaxMs: number };

/** Two tries are never closer than this, whatever the dice say. */
const SHORTEST_MS = 50;
/** What an allocator asks for by Retry-After is believed up to this. */
const RETRY_AFTER_MAX_MS = 300_000;

/**
 * Milliseconds before try number `attempt + 2` (0 = the first try failed).
 *
 * @param random 0 ≤ x < 1
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: number): number {
  const ceiling = Math.min(limits.backoffMaxMs, limits.backoffFirstMs * 2 ** Math.min(attempt, 30));
  return Math.max(SHORTEST_MS, Math.round(random * ceiling));
}

/** At least `waitMs` (bounded), spread over half as much again, so that not everybody comes back at once. */
export function atLeastMs(waitMs: number, random: number): number {
  return Math.round(Math.min(waitMs, RETRY_AFTER_MAX_MS) * (1 + random / 2));
}

/** `Retry-After` in milliseconds: seconds or a date; null where it is missing or unreadable. */
export function readRetryAfter(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === '') return null;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

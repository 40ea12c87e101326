// Moments as pages show them where there is no JavaScript: in UTC, which they say. templates/public/times.js puts them
// into the reader's zone.

/** `2026-01-31 09:00 UTC` */
export function utcText(timestamp: string): string {
  return `${timestamp.slice(0, 'YYYY-MM-DDTHH:MM'.length).replace('T', ' ')} UTC`;
}

/** `09:00:05 UTC`, for lines of output. */
export function utcClock(timestamp: string): string {
  return `${timestamp.slice('YYYY-MM-DDT'.length, 'YYYY-MM-DDTHH:MM:SS'.length)} UTC`;
}

// Spans of time as people say them.
const MINUTE = 60;
const HOUR = 3_600;

/** `4 s`, `3 min 20 s`, `2 h 5 min` */
export function sayDuration(fromTimestamp: string, toTimestamp: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(toTimestamp) - Date.parse(fromTimestamp)) / 1_000));
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ${seconds % MINUTE} s`;
  return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / MINUTE)} min`;
}

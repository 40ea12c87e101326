// Times as people say them on a page: how long ago.
const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;

/** `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`; a time ahead of `now` (clocks differ) is `just now`. */
export function ago(timestamp: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(timestamp)) / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < MINUTE_SECONDS) return `${seconds} s ago`;
  if (seconds < HOUR_SECONDS) return `${Math.floor(seconds / MINUTE_SECONDS)} min ago`;
  if (seconds < DAY_SECONDS) return `${Math.floor(seconds / HOUR_SECONDS)} h ago`;
  return `${Math.floor(seconds / DAY_SECONDS)} d ago`;
}

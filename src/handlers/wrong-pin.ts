// What somebody reads who has entered a wrong PIN of a machine, or a wrong code of a place on the waiting list.
import { problem } from '../contract/problems.ts';
import { sayMinutes } from '../vms/minutes.ts';

/** So that a lock of five minutes is not told as one of six. */
const SPARE_SECONDS = 3;

export function wrongPin(what: 'PIN' | 'code', triesLeft: number): string {
  return `Wrong ${what}. ${triesLeft === 1 ? 'One more try' : `${triesLeft} more tries`} before you have to wait.`;
}

export function pinLocked(what: 'PINs' | 'codes', retryAfterSeconds: number) {
  return problem('too_many_pin_attempts', {
    detail: `Too many wrong ${what}. Wait ${sayMinutes(Math.ceil((retryAfterSeconds - SPARE_SECONDS) / 60))}, or use the browser you started with.`,
    headers: { 'Retry-After': String(retryAfterSeconds) },
  });
}

/** Of the header, in seconds; null where there is none. */
export function waitOf({
  headers = {},
}: {
  readonly headers?: Readonly<Record<string, string>>;
}): number | null {
  const seconds = headers['Retry-After'];
  return seconds === undefined ? null : Number(seconds);
}

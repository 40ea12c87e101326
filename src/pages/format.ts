// Sizes, times, code and errors of fields as text for pages.
import type { FieldError } from '../contract/problems.ts';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;
const STEP = 1_000;

/** `1 byte`, `512 bytes`, `3.4 MB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= STEP && unit < UNITS.length - 1) [value, unit] = [value / STEP, unit + 1];
  if (unit === 0) return counted(bytes, 'byte');
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit] ?? ''}`;
}

/** `1 file`, `3 files`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** A time in UTC, as pages show it without JavaScript (src/browser/local-times.ts shows the local time). */
export type Moment = { readonly timestamp: string; readonly at: string };

/** `2026-01-31 09:00 UTC`; null where there is no time. */
export function momentView(timestamp: string): Moment;
export function momentView(timestamp: string | null): Moment | null;
export function momentView(timestamp: string | null): Moment | null {
  if (timestamp === null) return null;
  return { timestamp, at: `${timestamp.slice(0, 'YYYY-MM-DDTHH:MM'.length).replace('T', ' ')} UTC` };
}

/** `09:00:05 UTC`, for lines of output. */
export function utcClock(timestamp: string): string {
  return `${timestamp.slice('YYYY-MM-DDT'.length, 'YYYY-MM-DDTHH:MM:SS'.length)} UTC`;
}

/** For the partial `text`; one of the two is null. */
export type Span =
  { readonly plain: string; readonly code: null } | { readonly plain: null; readonly code: string };

/** Problem sentences mark code with backticks, since they are read as plain text too; pages show it as code. */
export function codeSpans(sentence: string): { readonly text: readonly Span[] } {
  return {
    text: sentence
      .split(/(`[^`]+`)/)
      .filter((piece) => piece !== '')
      .map((piece) =>
        /^`[^`]+`$/.test(piece) ? { plain: null, code: piece.slice(1, -1) } : { plain: piece, code: null },
      ),
  };
}

/** What is wrong with a field of a form; null = nothing. */
export function errorOf(errors: readonly FieldError[], field: string): string | null {
  return errors.find((error) => error.field === field)?.message ?? null;
}

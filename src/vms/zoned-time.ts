// What a clock on the wall of a time zone shows, as an instant. Gaps and overlaps of daylight saving are decided here. Pure.
import { Temporal } from 'temporal-polyfill';

export type ZonedMoment = {
  readonly at: Date;
  /** `gap`: no clock shows this time on that day; `at` is the first instant after it. `overlap`: clocks show it twice; `at` is the first. */
  readonly shift: 'gap' | 'overlap' | null;
};

/** Of this millennium. */
const WALL_TIME = /^2\d{3}-\d\d-\d\dT\d\d:\d\d$/;
/** No offset, such as `+01:00`, which knows no daylight saving. */
const ZONE = /^[A-Za-z][\w+/-]{0,99}$/;

/** The IANA name in its usual spelling; null if there is no such zone. */
export function readZone(typed: string): string | null {
  const name = typed.trim();
  if (!ZONE.test(name)) return null;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId;
  } catch {
    return null;
  }
}

/** `2027-03-28T08:00`; null if it is no time of a calendar. Seconds, as some browsers send them, must be zero. */
export function readWallTime(typed: string): string | null {
  const text = typed.trim().replace(/^(.{16}):00(?:\.0+)?$/, '$1');
  if (!WALL_TIME.test(text)) return null;
  try {
    Temporal.PlainDateTime.from(text, { overflow: 'reject' });
    return text;
  } catch {
    return null;
  }
}

/** @param wallTime as of `readWallTime` @param zone as of `readZone`. Throws RangeError for others, which is a bug. */
export function momentOf(wallTime: string, zone: string): ZonedMoment {
  const plain = Temporal.PlainDateTime.from(wallTime);
  const earlier = plain.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const later = plain.toZonedDateTime(zone, { disambiguation: 'later' });
  if (earlier.equals(later)) return { at: dateOf(earlier), shift: null };
  if (earlier.toPlainDateTime().equals(plain)) return { at: dateOf(earlier), shift: 'overlap' };
  // Read with the offset before the gap, it is an instant after the gap, and the other way round.
  return { at: dateOf(earlier.getTimeZoneTransition('next') ?? later), shift: 'gap' };
}

/** `2027-03-28 08:00`: what a clock of the zone shows. */
export function wallTimeAt(at: Date, zone: string): string {
  const shown = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone);
  return shown.toPlainDateTime().toString({ smallestUnit: 'minute' }).replace('T', ' ');
}

function dateOf({ epochMilliseconds }: Temporal.ZonedDateTime): Date {
  return new Date(epochMilliseconds);
}

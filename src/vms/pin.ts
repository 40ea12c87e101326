// PINs: six digits that Chrome Remote Desktop asks for, and how often a wrong one may be tried. Pure.

const PIN_VALUES = 1_000_000;
const PIN_DIGITS = 6;

/** Wrong PINs in a row after which the next try has to wait. */
export const pinAttemptsPerLock = 5;
/** How long; each further lock is as much longer again, */
export const pinLockMinutes = 5;
/** up to this. */
export const pinLockMaxMinutes = 30;

/** A random PIN. `randomInt(n)` gives an unpredictable integer from 0 to n - 1. */
export function makePin(randomInt: (below: number) => number): string {
  return String(randomInt(PIN_VALUES)).padStart(PIN_DIGITS, '0');
}

/** Minutes that the assignment is locked for after this many wrong PINs in all; 0 = not locked. */
export function pinLockAfter(failures: number): number {
  if (failures % pinAttemptsPerLock !== 0) return 0;
  return Math.min((failures / pinAttemptsPerLock) * pinLockMinutes, pinLockMaxMinutes);
}

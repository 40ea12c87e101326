// PINs: six digits for Chrome Remote Desktop, and the lock after wrong ones. Pure.

const PIN_VALUES = 1_000_000;
const PIN_DIGITS = 6;

/** The number of wrong PINs in a row that locks the assignment. */
const pinAttemptsPerLock = 5;
/** The length of the first lock. Each further lock is longer by the same amount, */
const pinLockMinutes = 5;
/** up to this. */
const pinLockMaxMinutes = 30;

/** A random PIN. `randomInt(n)` gives an unpredictable integer from 0 to n - 1. */
export function makePin(randomInt: (below: number) => number): string {
  return String(randomInt(PIN_VALUES)).padStart(PIN_DIGITS, '0');
}

/** How many more wrong PINs lock the assignment, after this many in total. */
export function pinTriesLeft(failures: number): number {
  return pinAttemptsPerLock - (failures % pinAttemptsPerLock);
}

/** How many minutes the assignment is locked after this many wrong PINs in total; 0 = not locked. */
export function pinLockAfter(failures: number): number {
  if (failures % pinAttemptsPerLock !== 0) return 0;
  return Math.min((failures / pinAttemptsPerLock) * pinLockMinutes, pinLockMaxMinutes);
}

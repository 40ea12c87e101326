// The workshop code, which an organiser gives to those who may join. Pure.

/** Without 0 and O, 1, I and L, 5 and S, 8 and B, 2 and Z, U and V: people read it from a projector and say it aloud. */
const ALPHABET = 'ACDEFGHJKMNPQRTUWXY34679';
const LENGTH = 8;

/** In this time wrong codes are counted. */
export const WRONG_CODES_WINDOW_MS = 600_000;
/** Of all browsers together: of 10^11 codes, a script that sends so many for a week finds none. A workshop mistypes less. */
export const WRONG_CODES_IN_ALL = 3_000;

/** @param randomInt a whole number from 0, below what is given */
export function makeCode(randomInt: (below: number) => number): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)] ?? '').join('');
}

/** As it is compared: case, spaces and dashes do not matter. */
export function normalizeCode(given: string): string {
  return given.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}

/** As people read it: in two halves. */
export function showCode(code: string): string {
  return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
}

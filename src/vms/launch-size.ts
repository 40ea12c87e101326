// How many machines a workshop needs. Pure.

/** One spare machine for this many people. */
const ONE_SPARE_IN = 10;
const PEOPLE_MAX = 10_000;

/** Machines for this many people: 40 → 44. */
export function suggestMachines(people: number): number {
  return people + Math.ceil(people / ONE_SPARE_IN);
}

/** A number of people as it was typed; null if it is not a valid one. */
export function readPeople(typed: string): number | null {
  const text = typed.trim();
  if (!/^\d{1,5}$/.test(text)) return null;
  const people = Number(text);
  return people >= 1 && people <= PEOPLE_MAX ? people : null;
}

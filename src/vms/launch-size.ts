// How many machines a workshop needs. Pure.

/** One machine to spare for every so many people. */
export const ONE_SPARE_IN = 10;
export const PEOPLE_MAX = 10_000;

/** Machines for so many people: 40 → 44. */
export function suggestMachines(people: number): number {
  return people + Math.ceil(people / ONE_SPARE_IN);
}

/** A number of people as it was typed; null where it is none. */
export function readPeople(typed: string): number | null {
  const text = typed.trim();
  if (!/^\d{1,5}$/.test(text)) return null;
  const people = Number(text);
  return people >= 1 && people <= PEOPLE_MAX ? people : null;
}

// What a launch costs, in a sentence: on the page, and again in the browser while the numbers are typed. Pure.

export const COST_UNKNOWN = 'Enter the number of machines and the hours to see the total.';

/** `price` is US dollars an hour; null where a number is not known. */
export function costSentence(
  price: number,
  { machines, hours }: { readonly machines: number | null; readonly hours: number | null },
): string | null {
  if (machines === null || hours === null) return null;
  const usd = (price * machines * hours).toFixed(2);
  return `about ${usd} USD for ${machines} × ${hours} h; disks, addresses and traffic are not included`;
}

/** A whole number as the form accepts it; null where something else, or nothing, was typed. */
export function readWholeNumber(typed: string): number | null {
  return /^\s*[1-9]\d{0,4}\s*$/.test(typed) ? Number(typed) : null;
}

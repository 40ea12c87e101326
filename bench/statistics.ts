// Medians and percentiles. Pure.

/** The value that `share` (0 to 1) of all values do not exceed; values need no order. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('There is no percentile of nothing.');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? percentile(values, 0.5) : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

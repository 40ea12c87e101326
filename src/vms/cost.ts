// What machines have cost so far: hours times price. Pure; the clock is an argument.
import { priceOf } from './prices.ts';

export type VmHours = {
  /** Whether its provider bills by the hour. */
  readonly bills: boolean;
  /** Null if it is not known. */
  readonly instanceType: string | null;
  readonly createdAt: Date;
  /** Null = it still exists. */
  readonly destroyedAt: Date | null;
};

export type Cost = {
  /** US dollars, whole cents; an estimate. */
  readonly usd: number;
  /** Machines that cost money, but have no known price for their type or region. */
  readonly unpricedVms: number;
};

const HOUR_MS = 3_600_000;

/** @param region of the machines; null = the region of the price table */
export function costSoFar(machines: readonly VmHours[], now: Date, region: string | null = null): Cost {
  let usd = 0;
  let unpricedVms = 0;
  for (const { bills, instanceType, createdAt, destroyedAt } of machines) {
    if (!bills) continue;
    const price = instanceType === null ? null : priceOf(instanceType, region ?? undefined);
    if (price === null) unpricedVms += 1;
    else usd += price.usdPerHour * hoursBetween(createdAt, destroyedAt ?? now);
  }
  return { usd: Math.round(usd * 100) / 100, unpricedVms };
}

/** Never negative, even if the clock was set back. */
function hoursBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / HOUR_MS;
}

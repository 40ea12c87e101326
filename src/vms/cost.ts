// What machines have cost so far: hours times price. Pure; the clock comes as an argument.
import { priceOf } from './prices.ts';
import type { Provider } from './status.ts';

export type VmHours = {
  readonly provider: Provider;
  /** Null where it is not known. */
  readonly instanceType: string | null;
  readonly createdAt: Date;
  /** Null = it is there still. */
  readonly destroyedAt: Date | null;
};

export type Cost = {
  /** US dollars, whole cents; an estimate. */
  readonly usd: number;
  /** Machines that cost money, of a type or in a region without a price. */
  readonly unpricedVms: number;
};

const HOUR_MS = 3_600_000;

/** Whether machines of this provider cost money. */
export function bills(provider: Provider): boolean {
  return provider === 'aws';
}

/** @param region where they run; null = where the prices are of */
export function costSoFar(machines: readonly VmHours[], now: Date, region: string | null = null): Cost {
  let usd = 0;
  let unpricedVms = 0;
  for (const { provider, instanceType, createdAt, destroyedAt } of machines) {
    if (!bills(provider)) continue;
    const price = instanceType === null ? null : priceOf(instanceType, region ?? undefined);
    if (price === null) unpricedVms += 1;
    else usd += price.usdPerHour * hoursBetween(createdAt, destroyedAt ?? now);
  }
  return { usd: Math.round(usd * 100) / 100, unpricedVms };
}

/** A clock that was set back makes nothing cheaper than free. */
function hoursBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / HOUR_MS;
}

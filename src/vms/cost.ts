// What machines have cost so far: hours times price. Pure; the clock comes as an argument.
import { priceOf } from './prices.ts';
import type { Provider } from './status.ts';

export type MachineHours = {
  readonly provider: Provider;
  /** Null where it is not known. */
  readonly instanceType: string | null;
  readonly madeAt: Date;
  /** Null = it is there still. */
  readonly goneAt: Date | null;
};

export type Cost = {
  /** US dollars, whole cents; an estimate. */
  readonly usd: number;
  /** Machines that cost money, of a type or in a region without a price. */
  readonly unpricedMachines: number;
};

const HOUR_MS = 3_600_000;

/** Whether machines of this provider cost money. */
export function bills(provider: Provider): boolean {
  return provider === 'aws';
}

/** @param region where they run; null = where the prices are of */
export function costSoFar(machines: readonly MachineHours[], now: Date, region: string | null = null): Cost {
  let usd = 0;
  let unpricedMachines = 0;
  for (const { provider, instanceType, madeAt, goneAt } of machines) {
    if (!bills(provider)) continue;
    const price = instanceType === null ? null : priceOf(instanceType, region ?? undefined);
    if (price === null) unpricedMachines += 1;
    else usd += price.usdPerHour * hoursBetween(madeAt, goneAt ?? now);
  }
  return { usd: Math.round(usd * 100) / 100, unpricedMachines };
}

/** A clock that was set back makes nothing cheaper than free. */
function hoursBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / HOUR_MS;
}

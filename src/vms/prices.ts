// Price per hour and vCPUs by instance type: list prices of us-east-1, on demand, Linux, without disks, addresses and
// traffic. The pages call them an estimate.

export const PRICES_AS_OF = '2025-06-01';
/** The table has no prices of other regions; most are more expensive. */
export const PRICED_REGION = 'us-east-1';

export type Priced = { readonly usdPerHour: number; readonly vcpus: number };

const table: Readonly<Record<string, Priced>> = {
  't3.micro': { usdPerHour: 0.0104, vcpus: 2 },
  't3.small': { usdPerHour: 0.0208, vcpus: 2 },
  't3.medium': { usdPerHour: 0.0416, vcpus: 2 },
  't3.large': { usdPerHour: 0.0832, vcpus: 2 },
  't3.xlarge': { usdPerHour: 0.1664, vcpus: 4 },
  't3.2xlarge': { usdPerHour: 0.3328, vcpus: 8 },
  'c5.large': { usdPerHour: 0.085, vcpus: 2 },
  'c5.xlarge': { usdPerHour: 0.17, vcpus: 4 },
  'c5.2xlarge': { usdPerHour: 0.34, vcpus: 8 },
  'c5.4xlarge': { usdPerHour: 0.68, vcpus: 16 },
  'c6i.large': { usdPerHour: 0.085, vcpus: 2 },
  'c6i.xlarge': { usdPerHour: 0.17, vcpus: 4 },
  'c6i.2xlarge': { usdPerHour: 0.34, vcpus: 8 },
  'c6i.4xlarge': { usdPerHour: 0.68, vcpus: 16 },
  'm5.large': { usdPerHour: 0.096, vcpus: 2 },
  'm5.xlarge': { usdPerHour: 0.192, vcpus: 4 },
  'm5.2xlarge': { usdPerHour: 0.384, vcpus: 8 },
  'm5.4xlarge': { usdPerHour: 0.768, vcpus: 16 },
  'm6i.large': { usdPerHour: 0.096, vcpus: 2 },
  'm6i.xlarge': { usdPerHour: 0.192, vcpus: 4 },
  'm6i.2xlarge': { usdPerHour: 0.384, vcpus: 8 },
  'm6i.4xlarge': { usdPerHour: 0.768, vcpus: 16 },
  'm7i.large': { usdPerHour: 0.1008, vcpus: 2 },
  'm7i.xlarge': { usdPerHour: 0.2016, vcpus: 4 },
  'm7i.2xlarge': { usdPerHour: 0.4032, vcpus: 8 },
  'r5.large': { usdPerHour: 0.126, vcpus: 2 },
  'r5.xlarge': { usdPerHour: 0.252, vcpus: 4 },
  'r5.2xlarge': { usdPerHour: 0.504, vcpus: 8 },
  'r6i.large': { usdPerHour: 0.126, vcpus: 2 },
  'r6i.xlarge': { usdPerHour: 0.252, vcpus: 4 },
  'r6i.2xlarge': { usdPerHour: 0.504, vcpus: 8 },
  'g4ad.xlarge': { usdPerHour: 0.3785, vcpus: 4 },
  'g4ad.2xlarge': { usdPerHour: 0.5412, vcpus: 8 },
  'g4ad.4xlarge': { usdPerHour: 0.867, vcpus: 16 },
  'g4dn.xlarge': { usdPerHour: 0.526, vcpus: 4 },
  'g4dn.2xlarge': { usdPerHour: 0.752, vcpus: 8 },
  'g4dn.4xlarge': { usdPerHour: 1.204, vcpus: 16 },
  'g4dn.8xlarge': { usdPerHour: 2.176, vcpus: 32 },
  'g4dn.12xlarge': { usdPerHour: 3.912, vcpus: 48 },
  'g4dn.16xlarge': { usdPerHour: 4.352, vcpus: 64 },
  'g5.xlarge': { usdPerHour: 1.006, vcpus: 4 },
  'g5.2xlarge': { usdPerHour: 1.212, vcpus: 8 },
  'g5.4xlarge': { usdPerHour: 1.624, vcpus: 16 },
  'g5.8xlarge': { usdPerHour: 2.448, vcpus: 32 },
  'g5.12xlarge': { usdPerHour: 5.672, vcpus: 48 },
  'g5.16xlarge': { usdPerHour: 4.096, vcpus: 64 },
  'g5.24xlarge': { usdPerHour: 8.144, vcpus: 96 },
  'g5.48xlarge': { usdPerHour: 16.288, vcpus: 192 },
  'g6.xlarge': { usdPerHour: 0.8048, vcpus: 4 },
  'g6.2xlarge': { usdPerHour: 0.9776, vcpus: 8 },
  'g6.4xlarge': { usdPerHour: 1.3232, vcpus: 16 },
  'g6.8xlarge': { usdPerHour: 2.0144, vcpus: 32 },
  'g6.12xlarge': { usdPerHour: 4.6016, vcpus: 48 },
  'g6e.xlarge': { usdPerHour: 1.861, vcpus: 4 },
  'g6e.2xlarge': { usdPerHour: 2.2421, vcpus: 8 },
  'g6e.4xlarge': { usdPerHour: 3.0042, vcpus: 16 },
  'p3.2xlarge': { usdPerHour: 3.06, vcpus: 8 },
  'p3.8xlarge': { usdPerHour: 12.24, vcpus: 32 },
};

/** Null if the price of this type in this region is unknown. */
export function priceOf(instanceType: string, region: string = PRICED_REGION): Priced | null {
  if (region !== PRICED_REGION) return null;
  return Object.hasOwn(table, instanceType) ? (table[instanceType] ?? null) : null;
}

export const pricedTypes: readonly string[] = Object.keys(table);

// What the launch page shows about machines on AWS: the type, its list price, and what is left of the vCPU quota. The
// price is in our table; the quota comes from AWS, and is unknown if AWS does not answer in time.
import { untilAborted } from '../../async/abort.ts';
import { priceOf, PRICES_AS_OF } from '../../vms/prices.ts';
import type { VmPlan } from '../provider.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import { quotaOf } from './quotas.ts';

type Capacity = {
  readonly vcpus: number | null;
  readonly limit: number | null;
  readonly used: number | null;
};

const UNKNOWN: Capacity = { vcpus: null, limit: null, used: null };

/** @param signal when aborted, the plan is returned without the answers of AWS */
export async function readPlan(
  cloud: Pick<Cloud, 'onDemandQuota' | 'describeTypes'>,
  { machineType, region }: { readonly machineType: string; readonly region: string },
  signal: AbortSignal,
): Promise<VmPlan> {
  const capacity = await untilAborted(readCapacity(cloud, machineType, signal), signal);
  const { vcpus, limit, used } = capacity ?? UNKNOWN;
  return {
    machineType,
    pricePerHourUsd: priceOf(machineType, region)?.usdPerHour ?? null,
    pricedAt: PRICES_AS_OF,
    neededVcpusPerVm: vcpus ?? priceOf(machineType)?.vcpus ?? null,
    quotaVcpus: limit,
    usedVcpus: used,
  };
}

async function readCapacity(
  cloud: Pick<Cloud, 'onDemandQuota' | 'describeTypes'>,
  machineType: string,
  signal: AbortSignal,
): Promise<Capacity> {
  const quota = quotaOf(machineType);
  try {
    const [types, use] = await Promise.all([
      cloud.describeTypes([machineType], signal),
      quota && cloud.onDemandQuota(quota.family, signal),
    ]);
    return {
      vcpus: types.get(machineType)?.vcpus ?? null,
      limit: use?.limitVcpus ?? null,
      used: use?.usedVcpus ?? null,
    };
  } catch (error) {
    // The checks of a launch, and the launch itself, report wrong credentials.
    if (error instanceof CloudError) return UNKNOWN;
    throw error;
  }
}

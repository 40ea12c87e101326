// What the launch page says of machines on AWS: the type, its list price, and what the account's quota leaves. The price is
// ours; the quota is asked of AWS, and unknown where AWS does not say it in time.
import { priceOf, PRICES_AS_OF } from '../../vms/prices.ts';
import type { VmPlan } from '../provider.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import { quotaOf } from './quotas.ts';

type Asked = { readonly vcpus: number | null; readonly limit: number | null; readonly used: number | null };

const UNKNOWN: Asked = { vcpus: null, limit: null, used: null };

/** @param signal aborted = answer with what is known by then */
export async function readPlan(
  cloud: Pick<Cloud, 'onDemandQuota' | 'describeTypes'>,
  { machineType, region }: { readonly machineType: string; readonly region: string },
  signal: AbortSignal,
): Promise<VmPlan> {
  const { vcpus, limit, used } = await Promise.race([askCloud(cloud, machineType, signal), giveUp(signal)]);
  const price = priceOf(machineType, region);
  return {
    machineType,
    pricePerHourUsd: price?.usdPerHour ?? null,
    pricedAt: PRICES_AS_OF,
    neededVcpusPerVm: vcpus ?? priceOf(machineType)?.vcpus ?? null,
    quotaVcpus: limit,
    usedVcpus: used,
  };
}

async function askCloud(
  cloud: Pick<Cloud, 'onDemandQuota' | 'describeTypes'>,
  machineType: string,
  signal: AbortSignal,
): Promise<Asked> {
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
    // What is wrong with the credentials is told by the checks and by the launch itself.
    if (error instanceof CloudError) return UNKNOWN;
    throw error;
  }
}

function giveUp(signal: AbortSignal): Promise<Asked> {
  if (signal.aborted) return Promise.resolve(UNKNOWN);
  const { promise, resolve } = Promise.withResolvers<Asked>();
  signal.addEventListener('abort', () => resolve(UNKNOWN), { once: true });
  return promise;
}

// Asks EC2 about instance types: vCPUs, whether they have an NVIDIA GPU, and which zones offer them.
import {
  paginateDescribeInstanceTypeOfferings,
  paginateDescribeInstanceTypes,
  type EC2Client,
  type Filter,
} from '@aws-sdk/client-ec2';
import { abortable, allPages, callAws } from './clients.ts';

export type InstanceTypeFacts = {
  readonly vcpus: number;
  readonly nvidia: boolean;
  /** Availability zones that offer the type, sorted. */
  readonly zones: readonly string[];
};

export async function describeTypes(
  ec2: EC2Client,
  types: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, InstanceTypeFacts>> {
  if (types.length === 0) return new Map();
  // A filter, because an unknown type in `InstanceTypes` would make the whole request fail.
  const Filters: Filter[] = [{ Name: 'instance-type', Values: [...types] }];
  const found = await callAws('describing instance types', () =>
    allPages(
      paginateDescribeInstanceTypes({ client: ec2 }, { Filters }, abortable(signal)),
      ({ InstanceTypes }) => InstanceTypes,
    ),
  );
  const offered = await callAws('looking up the zones of instance types', () =>
    allPages(
      paginateDescribeInstanceTypeOfferings(
        { client: ec2 },
        { LocationType: 'availability-zone', Filters },
        abortable(signal),
      ),
      ({ InstanceTypeOfferings }) => InstanceTypeOfferings,
    ),
  );
  const facts = new Map<string, InstanceTypeFacts>();
  for (const { InstanceType: type, VCpuInfo, GpuInfo } of found) {
    if (type === undefined || !types.includes(type)) continue;
    const zones = offered.flatMap(({ InstanceType, Location }) =>
      InstanceType === type && Location !== undefined ? [Location] : [],
    );
    facts.set(type, {
      vcpus: VCpuInfo?.DefaultVCpus ?? 0,
      nvidia: (GpuInfo?.Gpus ?? []).some(({ Manufacturer }) => Manufacturer?.toUpperCase() === 'NVIDIA'),
      zones: [...new Set(zones)].sort(),
    });
  }
  return facts;
}

// What an instance type is, as EC2 says: vCPUs, whether it has an NVIDIA GPU, and in which zones it is offered.
import {
  paginateDescribeInstanceTypeOfferings,
  paginateDescribeInstanceTypes,
  type EC2Client,
  type Filter,
} from '@aws-sdk/client-ec2';
import { allPages, asking, during } from './clients.ts';

export type TypeFacts = {
  readonly vcpus: number;
  readonly nvidia: boolean;
  /** Availability zones that offer it, in order. */
  readonly zones: readonly string[];
};

export async function describeTypes(
  ec2: EC2Client,
  types: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, TypeFacts>> {
  if (types.length === 0) return new Map();
  // Asked by filter: an unknown type among `InstanceTypes` would be an error for all of them.
  const Filters: Filter[] = [{ Name: 'instance-type', Values: [...types] }];
  const found = await asking('asking what an instance type is', () =>
    allPages(
      paginateDescribeInstanceTypes({ client: ec2 }, { Filters }, during(signal)),
      ({ InstanceTypes }) => InstanceTypes,
    ),
  );
  const offered = await asking('asking where an instance type is offered', () =>
    allPages(
      paginateDescribeInstanceTypeOfferings(
        { client: ec2 },
        { LocationType: 'availability-zone', Filters },
        during(signal),
      ),
      ({ InstanceTypeOfferings }) => InstanceTypeOfferings,
    ),
  );
  const facts = new Map<string, TypeFacts>();
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

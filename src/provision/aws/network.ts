// Where machines are put: the subnets that are named, else those of the VPC, which is the default one unless named.
import {
  paginateDescribeSubnets,
  paginateDescribeVpcs,
  type EC2Client,
  type Filter,
} from '@aws-sdk/client-ec2';
import { allPages, asking, during } from './clients.ts';
import { CloudError } from './cloud-error.ts';

export type Network = {
  readonly vpcId: string;
  /** By zone. */
  readonly subnets: readonly { readonly subnetId: string; readonly zone: string }[];
};

export type WantedNetwork = { readonly vpcId?: string; readonly subnetIds?: readonly string[] };

export async function findNetwork(
  ec2: EC2Client,
  wanted: WantedNetwork,
  signal: AbortSignal | undefined,
): Promise<Network> {
  const { subnetIds = [] } = wanted;
  if (subnetIds.length > 0) return namedSubnets(ec2, subnetIds, wanted.vpcId, signal);
  const vpcId = wanted.vpcId ?? (await defaultVpc(ec2, signal));
  const subnets = await listSubnets(ec2, { Name: 'vpc-id', Values: [vpcId] }, signal);
  if (subnets.length === 0)
    throw wrong(
      `The VPC ${vpcId} has no subnets in this region.`,
      'Name subnets of another VPC (`subnet_ids`).',
    );
  return { vpcId, subnets: subnets.map(({ subnetId, zone }) => ({ subnetId, zone })) };
}

async function namedSubnets(
  ec2: EC2Client,
  subnetIds: readonly string[],
  vpcId: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Network> {
  const found = await listSubnets(ec2, { Name: 'subnet-id', Values: [...subnetIds] }, signal);
  const missing = subnetIds.filter((id) => !found.some(({ subnetId }) => subnetId === id));
  if (missing.length > 0)
    throw wrong(`There is no subnet ${missing.join(', ')} in this region.`, 'Correct `subnet_ids`.');
  const vpcs = [...new Set(found.map((subnet) => subnet.vpcId))];
  const [first] = vpcs;
  if (first === undefined || vpcs.length > 1 || (vpcId !== undefined && vpcId !== first))
    throw wrong(
      `The subnets belong to ${vpcs.join(', ')}${vpcId === undefined ? '' : `, not all to ${vpcId}`}.`,
      'Name subnets of one VPC (`subnet_ids`).',
    );
  return { vpcId: first, subnets: found.map(({ subnetId, zone }) => ({ subnetId, zone })) };
}

async function defaultVpc(ec2: EC2Client, signal: AbortSignal | undefined): Promise<string> {
  const vpcs = await asking('looking for the default VPC', () =>
    allPages(
      paginateDescribeVpcs(
        { client: ec2 },
        { Filters: [{ Name: 'is-default', Values: ['true'] }] },
        during(signal),
      ),
      ({ Vpcs }) => Vpcs,
    ),
  );
  const id = vpcs[0]?.VpcId;
  if (id === undefined)
    throw wrong('This account has no default VPC in this region.', 'Name the subnets (`subnet_ids`).');
  return id;
}

async function listSubnets(
  ec2: EC2Client,
  filter: Filter,
  signal: AbortSignal | undefined,
): Promise<{ readonly subnetId: string; readonly zone: string; readonly vpcId: string }[]> {
  const found = await asking('looking for subnets', () =>
    allPages(
      paginateDescribeSubnets({ client: ec2 }, { Filters: [filter] }, during(signal)),
      ({ Subnets }) => Subnets,
    ),
  );
  const subnets = found.flatMap(({ SubnetId, AvailabilityZone, VpcId }) =>
    SubnetId === undefined || AvailabilityZone === undefined || VpcId === undefined
      ? []
      : [{ subnetId: SubnetId, zone: AvailabilityZone, vpcId: VpcId }],
  );
  return subnets.sort(
    (one, other) => one.zone.localeCompare(other.zone) || one.subnetId.localeCompare(other.subnetId),
  );
}

function wrong(problem: string, remedy: string): CloudError {
  return new CloudError({ kind: 'program', problem, remedy }, 'NetworkUnknown');
}

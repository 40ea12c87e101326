// Finds the VPC and the subnets to launch into: the named subnets, else those of the named VPC, else those of the default VPC.
import {
  paginateDescribeSubnets,
  paginateDescribeVpcs,
  type EC2Client,
  type Filter,
} from '@aws-sdk/client-ec2';
import { abortable, allPages, callAws } from './clients.ts';
import { CloudError } from './cloud-error.ts';

export type Network = {
  readonly vpcId: string;
  /** In the order in which they are tried: those that give machines a public address first, then by zone. */
  readonly subnets: readonly Subnet[];
};

type Subnet = {
  readonly subnetId: string;
  readonly zone: string;
  /** Machines in it get a public address. */
  readonly isPublic: boolean;
};

export type WantedNetwork = { readonly vpcId?: string; readonly subnetIds?: readonly string[] };

/** Throws CloudError. */
export async function findNetwork(
  ec2: EC2Client,
  wanted: WantedNetwork,
  signal: AbortSignal | undefined,
): Promise<Network> {
  const { subnetIds = [] } = wanted;
  if (subnetIds.length > 0) return findNamedSubnets(ec2, subnetIds, wanted.vpcId, signal);
  const vpcId = wanted.vpcId ?? (await findDefaultVpc(ec2, signal));
  const subnets = await listSubnets(ec2, { Name: 'vpc-id', Values: [vpcId] }, signal);
  if (subnets.length === 0)
    throw wrongNetwork(
      `The VPC ${vpcId} has no subnets in this region.`,
      'Name subnets of another VPC (`subnet_ids`).',
    );
  // A machine in a private subnet may reach nothing and be reached by nobody: it is used only where the settings name it.
  const open = subnets.filter(({ isPublic }) => isPublic);
  return { vpcId, subnets: (open.length > 0 ? open : subnets).map(withoutVpc) };
}

async function findNamedSubnets(
  ec2: EC2Client,
  subnetIds: readonly string[],
  vpcId: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Network> {
  const found = await listSubnets(ec2, { Name: 'subnet-id', Values: [...subnetIds] }, signal);
  const missing = subnetIds.filter((id) => !found.some(({ subnetId }) => subnetId === id));
  if (missing.length > 0)
    throw wrongNetwork(`There is no subnet ${missing.join(', ')} in this region.`, 'Correct `subnet_ids`.');
  const vpcs = [...new Set(found.map((subnet) => subnet.vpcId))];
  const [first] = vpcs;
  if (first === undefined || vpcs.length > 1 || (vpcId !== undefined && vpcId !== first))
    throw wrongNetwork(
      `The subnets belong to ${vpcs.join(', ')}${vpcId === undefined ? '' : `, not all to ${vpcId}`}.`,
      'Name subnets of one VPC (`subnet_ids`).',
    );
  return { vpcId: first, subnets: found.map(withoutVpc) };
}

async function findDefaultVpc(ec2: EC2Client, signal: AbortSignal | undefined): Promise<string> {
  const Filters = [{ Name: 'is-default', Values: ['true'] }];
  const vpcs = await callAws('looking for the default VPC', () =>
    allPages(paginateDescribeVpcs({ client: ec2 }, { Filters }, abortable(signal)), ({ Vpcs }) => Vpcs),
  );
  const id = vpcs[0]?.VpcId;
  if (id === undefined)
    throw wrongNetwork('This account has no default VPC in this region.', 'Name the subnets (`subnet_ids`).');
  return id;
}

async function listSubnets(
  ec2: EC2Client,
  filter: Filter,
  signal: AbortSignal | undefined,
): Promise<(Subnet & { readonly vpcId: string })[]> {
  const found = await callAws('looking for subnets', () =>
    allPages(
      paginateDescribeSubnets({ client: ec2 }, { Filters: [filter] }, abortable(signal)),
      ({ Subnets }) => Subnets,
    ),
  );
  const subnets = found.flatMap(({ SubnetId, AvailabilityZone, VpcId, MapPublicIpOnLaunch = false }) =>
    SubnetId === undefined || AvailabilityZone === undefined || VpcId === undefined
      ? []
      : [{ subnetId: SubnetId, zone: AvailabilityZone, vpcId: VpcId, isPublic: MapPublicIpOnLaunch }],
  );
  return subnets.sort(
    (one, other) =>
      Number(other.isPublic) - Number(one.isPublic) ||
      one.zone.localeCompare(other.zone) ||
      one.subnetId.localeCompare(other.subnetId),
  );
}

function withoutVpc({ subnetId, zone, isPublic }: Subnet): Subnet {
  return { subnetId, zone, isPublic };
}

function wrongNetwork(message: string, remedy: string): CloudError {
  return new CloudError({ code: 'program', message, remedy }, 'NetworkUnknown');
}

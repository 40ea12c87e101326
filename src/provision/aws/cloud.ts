// The cloud, asked itself: which machines carry our tags, what a type is, what the account may have. Values out; whoever
// calls decides. Throws CloudError where AWS refuses or is away.
import {
  DescribeImagesCommand,
  paginateDescribeInstances,
  RebootInstancesCommand,
  TerminateInstancesCommand,
  type Filter,
  type Instance,
} from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { setTimeout as delay } from 'node:timers/promises';
import { TAG } from '../../../infra/tags.ts';
import { allPages, asking, createClients, during, type Clients } from './clients.ts';
import { CloudError } from './cloud-error.ts';
import { findNetwork, type Network } from './network.ts';
import { readQuota, type QuotaUse } from './quota-use.ts';
import type { QuotaFamily } from './quotas.ts';
import { describeTypes, type TypeFacts } from './types.ts';

export type CloudMachine = {
  readonly instanceId: string;
  readonly hostname: string | null;
  readonly launchId: string | null;
  readonly state: 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down';
  readonly instanceType: string;
  readonly publicIp: string | null;
  readonly privateIp: string | null;
  readonly vpcId: string | null;
  readonly launchedAt: Date | null;
};

export type CloudTags = { readonly deployment: string; readonly uid: string; readonly environment: string };

export type Cloud = {
  /** What carries our uid and is not terminated, oldest first. */
  listMachines(signal?: AbortSignal): Promise<readonly CloudMachine[]>;
  /** Ends those of these that carry our uid; resolves when EC2 says that they are terminated. Others are passed over. */
  terminate(instanceIds: readonly string[], signal?: AbortSignal): Promise<void>;
  reboot(instanceId: string, signal?: AbortSignal): Promise<void>;
  /** A type that EC2 does not have in this region is left out. */
  describeTypes(types: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, TypeFacts>>;
  /** The subnets that are named, else those of the named VPC, else those of the default VPC. */
  network(
    wanted: { readonly vpcId?: string; readonly subnetIds?: readonly string[] },
    signal?: AbortSignal,
  ): Promise<Network>;
  /** Null where there is no such AMI in this region, or it is not for this account. */
  image(
    amiId: string,
    signal?: AbortSignal,
  ): Promise<{ readonly name: string; readonly rootDiskGb: number } | null>;
  /** vCPUs of what runs on demand; null where the limit cannot be read, which is "unknown", not 0. */
  onDemandQuota(family: QuotaFamily, signal?: AbortSignal): Promise<QuotaUse | null>;
  /** Whose credentials these are. */
  caller(signal?: AbortSignal): Promise<{ readonly account: string; readonly arn: string }>;
};

export type CloudOptions = {
  readonly region: string;
  readonly tags: CloudTags;
  /** How long EC2 may take to terminate, and how often it is asked. */
  readonly terminateLimitMs?: number;
  readonly terminateAskMs?: number;
};

const TERMINATE_LIMIT_MS = 300_000;
const TERMINATE_ASK_MS = 3_000;
/** Of one request. */
const TERMINATE_BATCH = 100;

export function createCloud(options: CloudOptions): Cloud {
  const clients = createClients(options.region);
  const ours: Filter = { Name: `tag:${TAG.uid}`, Values: [options.tags.uid] };
  return {
    listMachines: async (signal) => {
      const found = await asking('listing our machines', () => living(clients, [ours], signal));
      return found.flatMap(readMachine).sort(byAge);
    },
    terminate: (ids, signal) => terminate(clients, options, [ours], ids, signal),
    reboot: async (instanceId, signal) => {
      const command = new RebootInstancesCommand({ InstanceIds: [instanceId] });
      await asking('restarting a machine', () => clients.ec2.send(command, during(signal)));
    },
    describeTypes: (types, signal) => describeTypes(clients.ec2, types, signal),
    network: (wanted, signal) => findNetwork(clients.ec2, wanted, signal),
    image: (amiId, signal) => findImage(clients, amiId, signal),
    onDemandQuota: (family, signal) => readQuota(clients, family, signal),
    caller: async (signal) => {
      const command = new GetCallerIdentityCommand({});
      const { Account = '', Arn = '' } = await asking('asking who we are', () =>
        clients.sts.send(command, during(signal)),
      );
      return { account: Account, arn: Arn };
    },
  };
}

const LIVING = ['pending', 'running', 'stopping', 'stopped', 'shutting-down'] as const;

async function living(
  { ec2 }: Clients,
  filters: readonly Filter[],
  signal: AbortSignal | undefined,
): Promise<Instance[]> {
  const Filters = [...filters, { Name: 'instance-state-name', Values: [...LIVING] }];
  const pages = paginateDescribeInstances({ client: ec2 }, { Filters }, during(signal));
  const reservations = await allPages(pages, ({ Reservations }) => Reservations);
  return reservations.flatMap(({ Instances = [] }) => Instances);
}

function readMachine(instance: Instance): CloudMachine[] {
  const { InstanceId: instanceId, Tags = [] } = instance;
  const state = LIVING.find((known) => known === instance.State?.Name);
  if (instanceId === undefined || state === undefined) return [];
  const tag = (key: string): string | null => Tags.find(({ Key }) => Key === key)?.Value ?? null;
  return [
    {
      instanceId,
      hostname: tag(TAG.hostname),
      launchId: tag(TAG.launch),
      state,
      instanceType: instance.InstanceType ?? 'unknown',
      publicIp: instance.PublicIpAddress ?? null,
      privateIp: instance.PrivateIpAddress ?? null,
      vpcId: instance.VpcId ?? null,
      launchedAt: instance.LaunchTime ?? null,
    },
  ];
}

function byAge(one: CloudMachine, other: CloudMachine): number {
  const age = ({ launchedAt }: CloudMachine): number => launchedAt?.getTime() ?? 0;
  return age(one) - age(other) || (one.instanceId < other.instanceId ? -1 : 1);
}

async function terminate(
  clients: Clients,
  { terminateLimitMs = TERMINATE_LIMIT_MS, terminateAskMs = TERMINATE_ASK_MS }: CloudOptions,
  ours: readonly Filter[],
  instanceIds: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (instanceIds.length === 0) return;
  const doing = 'terminating machines';
  const wanted = [...ours, { Name: 'instance-id', Values: [...instanceIds] }];
  const left = async (): Promise<string[]> => {
    const there = await asking(doing, () => living(clients, wanted, signal));
    return there.flatMap(({ InstanceId }) => (InstanceId === undefined ? [] : [InstanceId]));
  };
  const there = await left();
  for (let start = 0; start < there.length; start += TERMINATE_BATCH) {
    const command = new TerminateInstancesCommand({
      InstanceIds: there.slice(start, start + TERMINATE_BATCH),
    });
    await asking(doing, () => clients.ec2.send(command, during(signal)));
  }
  const giveUpAt = performance.now() + terminateLimitMs;
  for (let still = there; still.length > 0;) {
    still = await left();
    if (still.length === 0) return;
    if (performance.now() > giveUpAt) throw notTerminated(still);
    await asking(doing, () => delay(terminateAskMs, undefined, signal ? { signal } : {}));
  }
}

function notTerminated(ids: readonly string[]): CloudError {
  return new CloudError(
    {
      kind: 'timeout',
      problem: `EC2 was told to terminate these, and they are still there: ${ids.join(', ')}.`,
      remedy: 'Look at them in the EC2 console; they cost money until they are gone.',
    },
    'TerminateTimeout',
  );
}

async function findImage(
  { ec2 }: Clients,
  amiId: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly name: string; readonly rootDiskGb: number } | null> {
  const command = new DescribeImagesCommand({ Filters: [{ Name: 'image-id', Values: [amiId] }] });
  const { Images = [] } = await asking('looking for the AMI', () => ec2.send(command, during(signal)));
  const image = Images.find(({ ImageId }) => ImageId === amiId);
  if (!image) return null;
  const root = image.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === image.RootDeviceName);
  return { name: image.Name ?? amiId, rootDiskGb: root?.Ebs?.VolumeSize ?? 0 };
}

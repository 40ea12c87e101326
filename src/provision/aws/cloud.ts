// What the provider asks of AWS: instances with our tags, instance types, AMIs, quotas. Returns plain values, and throws
// CloudError if a request fails.
import {
  CreateTagsCommand,
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
import type { SshAccess } from '../provider.ts';
import { abortable, allPages, callAws, createClients, type Clients } from './clients.ts';
import { CloudError } from './cloud-error.ts';
import { describeTypes, type InstanceTypeFacts } from './instance-types.ts';
import { findNetwork, type Network, type WantedNetwork } from './network.ts';
import { readQuotaUse, type QuotaFamily, type QuotaUse } from './quotas.ts';

export type CloudMachine = {
  readonly instanceId: string;
  readonly hostname: string | null;
  readonly launchId: string | null;
  readonly state: 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down';
  readonly instanceType: string;
  /** Where the machine is reached: its public address; in a private subnet, its private one. Null: not known yet. */
  readonly address: string | null;
  readonly vpcId: string | null;
  readonly launchedAt: Date | null;
};

export type Cloud = {
  /** Instances with our uid that are not terminated, oldest first. */
  listMachines(signal?: AbortSignal): Promise<readonly CloudMachine[]>;
  /** Those of these instances that EC2 lists as terminated or terminating. */
  findEnded(instanceIds: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>>;
  /**
   * Terminates those of these instances that have our uid, and waits until EC2 has begun to: they cost nothing then.
   * @param completely waits until they are gone: until then they use their security group
   */
  terminate(instanceIds: readonly string[], signal?: AbortSignal, completely?: boolean): Promise<void>;
  /** Those with the deployment's name and environment, but another uid, likewise. */
  listForeign(
    deployment: { readonly name: string; readonly environment: string },
    signal?: AbortSignal,
  ): Promise<readonly CloudMachine[]>;
  /** Gives an instance of another uid ours. */
  adopt(instanceId: string, signal?: AbortSignal): Promise<void>;
  reboot(instanceId: string, signal?: AbortSignal): Promise<void>;
  /** The result lacks types that EC2 does not offer in this region. */
  describeTypes(
    types: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, InstanceTypeFacts>>;
  network(wanted: WantedNetwork, signal?: AbortSignal): Promise<Network>;
  /** Null if the region has no such AMI, or the account cannot use it. */
  image(
    amiId: string,
    signal?: AbortSignal,
  ): Promise<{ readonly name: string; readonly rootDiskGb: number } | null>;
  /** Null if the limit cannot be read: it is unknown then, not 0. */
  onDemandQuota(family: QuotaFamily, signal?: AbortSignal): Promise<QuotaUse | null>;
  /** The owner of the credentials. */
  caller(signal?: AbortSignal): Promise<{ readonly account: string; readonly arn: string }>;
};

export type CloudOptions = {
  readonly region: string;
  /** The uid of the deployment, which is a tag of its instances. */
  readonly uid: string;
  readonly terminateTimeoutMs?: number;
  readonly terminatePollMs?: number;
};

const TERMINATE_TIMEOUT_MS = 300_000;
const TERMINATE_POLL_MS = 3_000;
/** Instances per request. */
const TERMINATE_BATCH = 100;

export function createCloud(options: CloudOptions): Cloud {
  const clients = createClients(options.region);
  const ours: Filter = { Name: `tag:${TAG.uid}`, Values: [options.uid] };
  return {
    listMachines: async (signal) => {
      const found = await callAws('listing the machines', () =>
        listInstances(clients, [ours], STATES, signal),
      );
      return found.flatMap(readMachine).sort(byAge);
    },
    findEnded: async (ids, signal) => {
      const found = await callAws('listing the machines', () =>
        listById(clients, [ours], ids, ENDED, signal),
      );
      return new Set(found);
    },
    terminate: (ids, signal, completely = false) =>
      terminate(clients, options, { ours: [ours], states: completely ? STATES : LIVING }, ids, signal),
    listForeign: async ({ name, environment }, signal) => {
      const filters = [
        { Name: `tag:${TAG.deployment}`, Values: [name] },
        { Name: `tag:${TAG.environment}`, Values: [environment] },
      ];
      const found = await callAws('listing machines with the name of this deployment', () =>
        listInstances(clients, filters, STATES, signal),
      );
      const isForeign = ({ Tags = [] }: Instance): boolean =>
        !Tags.some(({ Key, Value }) => Key === TAG.uid && Value === options.uid);
      return found.filter(isForeign).flatMap(readMachine).sort(byAge);
    },
    adopt: async (instanceId, signal) => {
      const command = new CreateTagsCommand({
        Resources: [instanceId],
        Tags: [{ Key: TAG.uid, Value: options.uid }],
      });
      await callAws('adopting a machine', () => clients.ec2.send(command, abortable(signal)));
    },
    reboot: async (instanceId, signal) => {
      const command = new RebootInstancesCommand({ InstanceIds: [instanceId] });
      await callAws('restarting a machine', () => clients.ec2.send(command, abortable(signal)));
    },
    describeTypes: (types, signal) => describeTypes(clients.ec2, types, signal),
    network: (wanted, signal) => findNetwork(clients.ec2, wanted, signal),
    image: (amiId, signal) => findImage(clients, amiId, signal),
    onDemandQuota: (family, signal) => readQuotaUse(clients, family, signal),
    caller: async (signal) => {
      const command = new GetCallerIdentityCommand({});
      const { Account = '', Arn = '' } = await callAws('reading the identity of the credentials', () =>
        clients.sts.send(command, abortable(signal)),
      );
      return { account: Account, arn: Arn };
    },
  };
}

const STATES = ['pending', 'running', 'stopping', 'stopped', 'shutting-down'] as const;
const ENDED = ['shutting-down', 'terminated'] as const;
/** What costs money. */
const LIVING = ['pending', 'running', 'stopping', 'stopped'] as const;
/** EC2 takes so many values in one filter. */
const FILTER_VALUES_MAX = 200;

/** Those that cost money. */
export function listLiving(ec2: Clients['ec2'], filters: readonly Filter[]): Promise<Instance[]> {
  return callAws('listing the instances', () => listInstances({ ec2 }, filters, LIVING, undefined));
}

async function listInstances(
  { ec2 }: Pick<Clients, 'ec2'>,
  filters: readonly Filter[],
  states: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Instance[]> {
  const Filters = [...filters, { Name: 'instance-state-name', Values: [...states] }];
  const pages = paginateDescribeInstances({ client: ec2 }, { Filters }, abortable(signal));
  const reservations = await allPages(pages, ({ Reservations }) => Reservations);
  return reservations.flatMap(({ Instances = [] }) => Instances);
}

/** The ids of these instances that are in one of these states. */
async function listById(
  clients: Clients,
  filters: readonly Filter[],
  instanceIds: readonly string[],
  states: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  for (let start = 0; start < instanceIds.length; start += FILTER_VALUES_MAX) {
    const ids = { Name: 'instance-id', Values: instanceIds.slice(start, start + FILTER_VALUES_MAX) };
    const instances = await listInstances(clients, [...filters, ids], states, signal);
    found.push(...instances.flatMap(({ InstanceId }) => InstanceId ?? []));
  }
  return found;
}

function readMachine(instance: Instance): CloudMachine[] {
  const { InstanceId: instanceId, Tags = [] } = instance;
  const state = STATES.find((known) => known === instance.State?.Name);
  if (instanceId === undefined || state === undefined) return [];
  const tag = (key: string): string | null => Tags.find(({ Key }) => Key === key)?.Value ?? null;
  return [
    {
      instanceId,
      hostname: tag(TAG.hostname),
      launchId: tag(TAG.launch),
      state,
      instanceType: instance.InstanceType ?? 'unknown',
      address: addressOf({
        publicIp: instance.PublicIpAddress,
        // A machine that is starting may still get a public address.
        privateIp: state === 'pending' ? undefined : instance.PrivateIpAddress,
      }),
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
  { terminateTimeoutMs = TERMINATE_TIMEOUT_MS, terminatePollMs = TERMINATE_POLL_MS }: CloudOptions,
  { ours, states }: { readonly ours: readonly Filter[]; readonly states: readonly string[] },
  instanceIds: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (instanceIds.length === 0) return;
  const action = 'terminating machines';
  const listLeft = (ids: readonly string[]): Promise<string[]> =>
    callAws(action, () => listById(clients, ours, ids, states, signal));
  let remaining = await listLeft(instanceIds);
  for (let start = 0; start < remaining.length; start += TERMINATE_BATCH) {
    const InstanceIds = remaining.slice(start, start + TERMINATE_BATCH);
    const command = new TerminateInstancesCommand({ InstanceIds });
    await callAws(action, () => clients.ec2.send(command, abortable(signal)));
  }
  const deadline = performance.now() + terminateTimeoutMs;
  while (remaining.length > 0) {
    remaining = await listLeft(remaining);
    if (remaining.length === 0) return;
    if (performance.now() > deadline) throw notTerminated(remaining);
    await callAws(action, () => delay(terminatePollMs, undefined, signal ? { signal } : {}));
  }
}

function notTerminated(ids: readonly string[]): CloudError {
  return new CloudError(
    {
      code: 'timeout',
      message: `EC2 did not terminate these instances in time: ${ids.join(', ')}.`,
      remedy: 'Check them in the EC2 console; they cost money until they are terminated.',
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
  const { Images = [] } = await callAws('looking for the AMI', () => ec2.send(command, abortable(signal)));
  const image = Images.find(({ ImageId }) => ImageId === amiId);
  if (!image) return null;
  const root = image.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === image.RootDeviceName);
  return { name: image.Name ?? amiId, rootDiskGb: root?.Ebs?.VolumeSize ?? 0 };
}

/** The user of Ubuntu's AMIs. */
export const SSH_USER = 'ubuntu';
const SSH_PORT = 22;

/** AWS and Pulumi leave out an address that does not exist, or say that it is empty. */
export function addressOf(machine: {
  readonly publicIp: string | null | undefined;
  readonly privateIp: string | null | undefined;
}): string | null {
  return machine.publicIp || machine.privateIp || null;
}

export function sshAccess(address: string | null): SshAccess {
  const access = { sshUser: SSH_USER, sshPort: SSH_PORT };
  return address === null ? access : { ...access, address };
}

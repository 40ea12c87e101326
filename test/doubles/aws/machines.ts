// EC2 instances, security groups and key pairs, at AWS_ENDPOINT_URL, where other clients can read them.
import type * as Ec2 from '@aws-sdk/client-ec2';
import { isEqual, type Props } from '../engine/values.ts';
import type { ResourceHandler } from './provider.ts';
import { clientSettings, propsOf, removedTags, tagListOf } from './sdk.ts';

/** Loading takes a third of a second, so it starts with the plugin, while the engine is still busy. */
const sdk = import('./services/ec2.ts');
type Connected = { readonly ec2: Ec2.EC2Client; readonly commands: Awaited<typeof sdk> };
let client: Promise<Connected> | null = null;

function connect(): Promise<Connected> {
  client ??= sdk.then((commands) => ({ commands, ec2: new commands.EC2Client(clientSettings) }));
  return client;
}

export function machineHandlers(): Record<string, ResourceHandler> {
  return {
    'aws:ec2/instance:Instance': instance,
    'aws:ec2/securityGroup:SecurityGroup': securityGroup,
    'aws:ec2/keyPair:KeyPair': keyPair,
  };
}

const instance: ResourceHandler = {
  inputs: [
    ...['ami', 'instanceType', 'keyName', 'subnetId', 'availabilityZone', 'vpcSecurityGroupIds', 'tags'],
    ...['userData', 'userDataBase64', 'userDataReplaceOnChange', 'iamInstanceProfile', 'rootBlockDevice'],
    ...['metadataOptions', 'instanceInitiatedShutdownBehavior', 'associatePublicIpAddress', 'volumeTags'],
    ...['ebsOptimized', 'monitoring', 'disableApiTermination', 'creditSpecification', 'enablePrimaryIpv6'],
  ],
  replaceOnChanges: [
    'ami',
    'subnetId',
    'availabilityZone',
    'keyName',
    'associatePublicIpAddress',
    'rootBlockDevice',
  ],
  alsoReplaceOnChanges: ({ userDataReplaceOnChange }) =>
    userDataReplaceOnChange === true ? ['userData', 'userDataBase64'] : [],
  create: async (_name, inputs) => {
    const { ec2, commands } = await connect();
    const { Instances: [launched] = [] } = await ec2.send(
      new commands.RunInstancesCommand(runInputOf(inputs)),
    );
    const id = launched?.InstanceId;
    if (id === undefined) throw new Error('EC2 made no instance');
    const computed = await readInstance(id);
    if (!computed) throw new Error(`InvalidInstanceID.NotFound: ${id}`);
    return { id, computed };
  },
  read: readInstance,
  update: async (id, olds, news) => {
    await retag(id, olds, news);
    if (!isEqual(olds['instanceType'], news['instanceType'])) await changeType(id, news['instanceType']);
    return (await readInstance(id)) ?? {};
  },
  delete: (id) =>
    ignoreNotFound(async ({ ec2, commands }) => {
      await ec2.send(new commands.TerminateInstancesCommand({ InstanceIds: [id] }));
    }),
};

/** EC2 changes the type of a stopped instance only. */
async function changeType(id: string, type: unknown): Promise<void> {
  const { ec2, commands } = await connect();
  const InstanceIds = [id];
  await ec2.send(new commands.StopInstancesCommand({ InstanceIds }));
  const InstanceType = { Value: String(type) };
  await ec2.send(new commands.ModifyInstanceAttributeCommand({ InstanceId: id, InstanceType }));
  await ec2.send(new commands.StartInstancesCommand({ InstanceIds }));
}

async function readInstance(id: string): Promise<Props | null> {
  const { ec2, commands } = await connect();
  const found = await ec2
    .send(new commands.DescribeInstancesCommand({ InstanceIds: [id] }))
    .then(({ Reservations }) => Reservations?.[0]?.Instances?.[0])
    .catch(nullIfNotFound);
  const state = found?.State?.Name;
  if (!found || state === 'terminated' || state === 'shutting-down') return null;
  return {
    arn: `arn:aws:ec2:${process.env['AWS_REGION'] ?? 'us-east-1'}:123456789012:instance/${id}`,
    instanceState: state,
    availabilityZone: found.Placement?.AvailabilityZone,
    subnetId: found.SubnetId,
    publicIp: found.PublicIpAddress ?? '',
    publicDns: found.PublicDnsName ?? '',
    privateIp: found.PrivateIpAddress ?? '',
    privateDns: found.PrivateDnsName ?? '',
  };
}

function runInputOf(inputs: Props): Ec2.RunInstancesCommandInput {
  const text = (key: string) => (typeof inputs[key] === 'string' ? inputs[key] : undefined);
  const groups = inputs['vpcSecurityGroupIds'] as string[] | undefined;
  const disk = propsOf(inputs['rootBlockDevice']);
  const metadata = propsOf(inputs['metadataOptions']);
  const userData = text('userData');
  const isPublic = inputs['associatePublicIpAddress'];
  const network =
    typeof isPublic === 'boolean'
      ? {
          NetworkInterfaces: [
            {
              DeviceIndex: 0,
              SubnetId: text('subnetId'),
              Groups: groups,
              AssociatePublicIpAddress: isPublic,
            },
          ],
        }
      : { SubnetId: text('subnetId'), SecurityGroupIds: groups };
  return {
    MinCount: 1,
    MaxCount: 1,
    ImageId: text('ami'),
    InstanceType: text('instanceType') as Ec2._InstanceType | undefined,
    KeyName: text('keyName'),
    UserData: text('userDataBase64') ?? (userData === undefined ? undefined : toBase64(userData)),
    IamInstanceProfile:
      text('iamInstanceProfile') === undefined ? undefined : { Name: text('iamInstanceProfile') },
    InstanceInitiatedShutdownBehavior: text('instanceInitiatedShutdownBehavior') as
      Ec2.ShutdownBehavior | undefined,
    BlockDeviceMappings: inputs['rootBlockDevice'] ? [blockDeviceOf(disk)] : undefined,
    MetadataOptions: inputs['metadataOptions']
      ? { HttpTokens: metadata['httpTokens'] as Ec2.HttpTokensState, HttpEndpoint: 'enabled' }
      : undefined,
    TagSpecifications: inputs['tags']
      ? [{ ResourceType: 'instance', Tags: tagListOf(inputs['tags']) }]
      : undefined,
    ...network,
  };
}

function blockDeviceOf(disk: Props): Ec2.BlockDeviceMapping {
  return {
    DeviceName: '/dev/sda1',
    Ebs: {
      VolumeSize: disk['volumeSize'] as number,
      VolumeType: disk['volumeType'] as Ec2.VolumeType,
      Encrypted: disk['encrypted'] === true,
      DeleteOnTermination: true,
    },
  };
}

const securityGroup: ResourceHandler = {
  inputs: ['name', 'namePrefix', 'description', 'vpcId', 'ingress', 'egress', 'tags', 'revokeRulesOnDelete'],
  autoname: 'name',
  replaceOnChanges: ['name', 'description', 'vpcId'],
  create: async (_name, inputs) => {
    const { ec2, commands } = await connect();
    const { GroupId: id = '' } = await ec2.send(
      new commands.CreateSecurityGroupCommand({
        GroupName: String(inputs['name']),
        Description: typeof inputs['description'] === 'string' ? inputs['description'] : 'Managed by Pulumi',
        VpcId: inputs['vpcId'] as string | undefined,
        TagSpecifications: inputs['tags']
          ? [{ ResourceType: 'security-group', Tags: tagListOf(inputs['tags']) }]
          : undefined,
      }),
    );
    // EC2 gives each group a rule that allows all outgoing traffic, and the provider removes it.
    await ec2.send(
      new commands.RevokeSecurityGroupEgressCommand({ GroupId: id, IpPermissions: [ALL_OUTGOING] }),
    );
    await changeRules(id, {}, inputs);
    return { id, computed: { arn: arnOfGroup(id) } };
  },
  read: async (id) => {
    const { ec2, commands } = await connect();
    const found = await ec2
      .send(new commands.DescribeSecurityGroupsCommand({ GroupIds: [id] }))
      .catch(nullIfNotFound);
    return found ? { arn: arnOfGroup(id) } : null;
  },
  update: async (id, olds, news) => {
    await retag(id, olds, news);
    await changeRules(id, olds, news);
    return { arn: arnOfGroup(id) };
  },
  delete: (id) =>
    ignoreNotFound(async ({ ec2, commands }) => {
      await ec2.send(new commands.DeleteSecurityGroupCommand({ GroupId: id }));
    }),
};

const ALL_OUTGOING: Ec2.IpPermission = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };

async function changeRules(GroupId: string, olds: Props, news: Props): Promise<void> {
  const { ec2, commands } = await connect();
  const rules = (props: Props, way: string) => ({ GroupId, IpPermissions: permissionsOf(props[way]) });
  const hasRules = (props: Props, way: string) => permissionsOf(props[way]).length > 0;
  if (!isEqual(olds['ingress'], news['ingress'])) {
    if (hasRules(olds, 'ingress'))
      await ec2.send(new commands.RevokeSecurityGroupIngressCommand(rules(olds, 'ingress')));
    if (hasRules(news, 'ingress'))
      await ec2.send(new commands.AuthorizeSecurityGroupIngressCommand(rules(news, 'ingress')));
  }
  if (isEqual(olds['egress'], news['egress'])) return;
  if (hasRules(olds, 'egress'))
    await ec2.send(new commands.RevokeSecurityGroupEgressCommand(rules(olds, 'egress')));
  if (hasRules(news, 'egress'))
    await ec2.send(new commands.AuthorizeSecurityGroupEgressCommand(rules(news, 'egress')));
}

const keyPair: ResourceHandler = {
  inputs: ['keyName', 'keyNamePrefix', 'publicKey', 'tags'],
  autoname: 'keyName',
  replaceOnChanges: ['keyName', 'publicKey'],
  create: async (_name, inputs) => {
    const { ec2, commands } = await connect();
    const id = String(inputs['keyName']);
    const imported = await ec2.send(
      new commands.ImportKeyPairCommand({
        KeyName: id,
        PublicKeyMaterial: Buffer.from(String(inputs['publicKey'])),
        TagSpecifications: inputs['tags']
          ? [{ ResourceType: 'key-pair', Tags: tagListOf(inputs['tags']) }]
          : undefined,
      }),
    );
    return { id, computed: { keyPairId: imported.KeyPairId, fingerprint: imported.KeyFingerprint } };
  },
  read: async (id) => {
    const { ec2, commands } = await connect();
    const found = await ec2
      .send(new commands.DescribeKeyPairsCommand({ KeyNames: [id] }))
      .catch(nullIfNotFound);
    const pair = found?.KeyPairs?.[0];
    return pair ? { keyPairId: pair.KeyPairId, fingerprint: pair.KeyFingerprint } : null;
  },
  update: async (_id, olds, news) => {
    await retag(String(olds['keyPairId']), olds, news);
    return {};
  },
  delete: (id) =>
    ignoreNotFound(async ({ ec2, commands }) => {
      await ec2.send(new commands.DeleteKeyPairCommand({ KeyName: id }));
    }),
};

async function retag(id: string, olds: Props, news: Props): Promise<void> {
  if (isEqual(olds['tags'], news['tags'])) return;
  const { ec2, commands } = await connect();
  const removed = removedTags(olds, news).map((Key) => ({ Key }));
  if (removed.length > 0) await ec2.send(new commands.DeleteTagsCommand({ Resources: [id], Tags: removed }));
  await ec2.send(new commands.CreateTagsCommand({ Resources: [id], Tags: tagListOf(news['tags']) }));
}

function permissionsOf(rules: unknown): Ec2.IpPermission[] {
  if (!Array.isArray(rules)) return [];
  return rules.map(propsOf).map((rule) => ({
    IpProtocol: String(rule['protocol']),
    FromPort: rule['fromPort'] as number,
    ToPort: rule['toPort'] as number,
    IpRanges: listOf(rule['cidrBlocks']).map((CidrIp) => ({ CidrIp })),
    Ipv6Ranges: listOf(rule['ipv6CidrBlocks']).map((CidrIpv6) => ({ CidrIpv6 })),
  }));
}

async function ignoreNotFound(work: (connection: Connected) => Promise<void>): Promise<void> {
  await work(await connect()).catch(nullIfNotFound);
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof Error && /\.NotFound$/.test(error.name)) return null;
  throw error;
}

const arnOfGroup = (id: string) => `arn:aws:ec2:us-east-1:123456789012:security-group/${id}`;

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}

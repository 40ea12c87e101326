// Elastic IPs and attached volumes, at AWS_ENDPOINT_URL.
import type { ResourceHandler } from './provider.ts';
import { clientSettings, lazyClient, nullIfMissing, tagListOf } from './sdk.ts';

const NOT_FOUND = /NotFound$/;
const ec2 = lazyClient(
  () => import('./services/ec2.ts'),
  ({ EC2Client }) => new EC2Client(clientSettings),
);

const address: ResourceHandler = {
  inputs: ['domain', 'tags'],
  replaceOnChanges: ['domain'],
  create: async (_name, inputs) => {
    const { client, sdk } = await ec2();
    const { AllocationId: id = '', PublicIp: publicIp } = await client.send(
      new sdk.AllocateAddressCommand({
        Domain: 'vpc',
        TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: tagListOf(inputs['tags']) }],
      }),
    );
    return { id, computed: { publicIp, allocationId: id } };
  },
  read: async (id, props) => {
    const { client, sdk } = await ec2();
    const found = await nullIfMissing(
      NOT_FOUND,
      client.send(new sdk.DescribeAddressesCommand({ AllocationIds: [id] })),
    );
    return found ? props : null;
  },
  update: (_id, olds) => Promise.resolve(olds),
  delete: async (id) => {
    const { client, sdk } = await ec2();
    await nullIfMissing(NOT_FOUND, client.send(new sdk.ReleaseAddressCommand({ AllocationId: id })));
  },
};

const association: ResourceHandler = {
  inputs: ['instanceId', 'allocationId'],
  replaceOnChanges: ['instanceId', 'allocationId'],
  create: async (_name, inputs) => {
    const { client, sdk } = await ec2();
    const { AssociationId: id = '' } = await client.send(
      new sdk.AssociateAddressCommand({
        InstanceId: String(inputs['instanceId']),
        AllocationId: String(inputs['allocationId']),
      }),
    );
    return { id, computed: { publicIp: '' } };
  },
  read: (_id, props) => Promise.resolve(props),
  update: (_id, olds) => Promise.resolve(olds),
  delete: async (id) => {
    const { client, sdk } = await ec2();
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DisassociateAddressCommand({ AssociationId: id })));
  },
};

const attachment: ResourceHandler = {
  inputs: ['deviceName', 'instanceId', 'volumeId', 'stopInstanceBeforeDetaching', 'skipDestroy'],
  replaceOnChanges: ['deviceName', 'instanceId', 'volumeId'],
  create: async (_name, inputs) => {
    const { client, sdk } = await ec2();
    const [InstanceId, VolumeId] = [String(inputs['instanceId']), String(inputs['volumeId'])];
    await client.send(
      new sdk.AttachVolumeCommand({ InstanceId, VolumeId, Device: String(inputs['deviceName']) }),
    );
    return { id: `vai-${VolumeId}`, computed: {} };
  },
  read: (_id, props) => Promise.resolve(props),
  update: (_id, olds) => Promise.resolve(olds),
  delete: async (_id, props) => {
    // The end of the instance detaches the volume.
    if (props['skipDestroy'] === true) return;
    const { client, sdk } = await ec2();
    const [InstanceId, VolumeId] = [String(props['instanceId']), String(props['volumeId'])];
    if (props['stopInstanceBeforeDetaching'] === true) await stopInstance(InstanceId);
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DetachVolumeCommand({ InstanceId, VolumeId })));
  },
};

/** As EC2, which moto is not in this: one that has been terminated cannot be stopped. */
async function stopInstance(id: string): Promise<void> {
  const { client, sdk } = await ec2();
  const InstanceIds = [id];
  const { Reservations } = await client.send(new sdk.DescribeInstancesCommand({ InstanceIds }));
  const state = Reservations?.[0]?.Instances?.[0]?.State?.Name;
  if (state === 'terminated' || state === 'shutting-down')
    throw new Error(
      `IncorrectInstanceState: This instance '${id}' is not in a state from which it can be stopped.`,
    );
  await client.send(new sdk.StopInstancesCommand({ InstanceIds }));
}

/** What only the deployment of an allocator has. */
export const addressHandlers: Record<string, ResourceHandler> = {
  'aws:ec2/eip:Eip': address,
  'aws:ec2/eipAssociation:EipAssociation': association,
  'aws:ec2/volumeAttachment:VolumeAttachment': attachment,
};

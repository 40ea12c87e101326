// What an allocator's deployment needs to know of AWS, and what it has there outside Pulumi: the data volume. Throws CloudError.
import {
  CreateVolumeCommand,
  DeleteVolumeCommand,
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeVolumesCommand,
  waitUntilVolumeAvailable,
  type EC2Client,
  type Volume,
} from '@aws-sdk/client-ec2';
import { allocatorName } from '../../../../infra/names.ts';
import { allocatorTags, TAG } from '../../../../infra/tags.ts';
import { callAws } from '../clients.ts';
import { listLiving } from '../cloud.ts';
import { CloudError } from '../cloud-error.ts';
import type { Network } from '../network.ts';

/** Canonical's account, the same in every region. */
const CANONICAL = '099720109477';
const UBUNTU = 'ubuntu/images/*/ubuntu-noble-24.04-amd64-server-*';
const VOLUME_WAIT_SECONDS = 120;

export type DataVolume = { readonly id: string; readonly zone: string; readonly isNew: boolean };

export function createSite(ec2: EC2Client, deployment: string) {
  const ours = [{ Name: `tag:${TAG.allocator}`, Values: [deployment] }];
  const listVolumes = async (): Promise<Volume[]> => {
    const asked = new DescribeVolumesCommand({ Filters: ours });
    return (await callAws('looking for the data volume', () => ec2.send(asked))).Volumes ?? [];
  };
  return {
    image: (amiId: string | null) => findImage(ec2, amiId),

    /** The volume of an earlier deployment of this name, or a new one in the first public subnet's zone. */
    volume: async (network: Network, diskGb: number): Promise<DataVolume> => {
      const [found, ...more] = await listVolumes();
      if (more.length > 0)
        throw wrong(
          `There are ${more.length + 1} data volumes of the allocator "${deployment}".`,
          `Delete those that you do not need, or remove their tag ${TAG.allocator}.`,
        );
      if (found) return { id: found.VolumeId ?? '', zone: found.AvailabilityZone ?? '', isNew: false };
      const zone = network.subnets.find(({ isPublic }) => isPublic)?.zone;
      if (zone === undefined)
        throw wrong(`${network.vpcId} has no public subnet.`, 'Create one, or use another region.');
      const asked = new CreateVolumeCommand({
        ...{ AvailabilityZone: zone, Size: diskGb, VolumeType: 'gp3' as const, Encrypted: true },
        TagSpecifications: [{ ResourceType: 'volume', Tags: tagsOf(deployment) }],
      });
      const { VolumeId: id = '' } = await callAws('creating the data volume', () => ec2.send(asked));
      await callAws('waiting for the data volume', () =>
        waitUntilVolumeAvailable({ client: ec2, maxWaitTime: VOLUME_WAIT_SECONDS }, { VolumeIds: [id] }),
      );
      return { id, zone, isNew: true };
    },

    /** Null if there is none. */
    publicAddress: async (): Promise<string | null> => {
      const asked = new DescribeAddressesCommand({ Filters: ours });
      const { Addresses = [] } = await callAws('reading the address', () => ec2.send(asked));
      return Addresses[0]?.PublicIp ?? null;
    },

    /** How many machines of participants exist. */
    countMachines: async (): Promise<number> =>
      (await listLiving(ec2, [{ Name: `tag:${TAG.deployment}`, Values: [deployment] }])).length,

    /** Sentences about what exists although the stack has been destroyed; the data volume is not among them. */
    leftovers: async (): Promise<string[]> => {
      const address = await callAws('reading the address', () =>
        ec2.send(new DescribeAddressesCommand({ Filters: ours })),
      );
      const instances = await listLiving(ec2, ours);
      return [
        ...(address.Addresses ?? []).map(({ PublicIp }) => `the address ${PublicIp ?? ''}`),
        ...instances.map(({ InstanceId }) => `the instance ${InstanceId ?? ''}`),
      ];
    },

    listVolumes: async (): Promise<string[]> =>
      (await listVolumes()).flatMap(({ VolumeId }) => VolumeId ?? []),

    deleteVolume: async (id: string): Promise<void> => {
      await callAws('deleting the data volume', () => ec2.send(new DeleteVolumeCommand({ VolumeId: id })));
    },
  };
}

/** The id of the newest Ubuntu, or of the named image if it exists. */
async function findImage(ec2: EC2Client, amiId: string | null): Promise<string> {
  const asked = new DescribeImagesCommand(
    amiId === null
      ? { Owners: [CANONICAL], Filters: [{ Name: 'name', Values: [UBUNTU] }] }
      : { Filters: [{ Name: 'image-id', Values: [amiId] }] },
  );
  const { Images = [] } = await callAws('looking for the image', () => ec2.send(asked));
  const [newest] = Images.toSorted((a, b) => (b.CreationDate ?? '').localeCompare(a.CreationDate ?? ''));
  if (newest?.ImageId !== undefined) return newest.ImageId;
  throw wrong('This region has no such image.', 'Name an Ubuntu image with --ami.');
}

function tagsOf(deployment: string): { Key: string; Value: string }[] {
  const tags = allocatorTags({ deployment }, `${allocatorName(deployment)}-data`);
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

function wrong(message: string, remedy: string): CloudError {
  return new CloudError({ code: 'program', message, remedy }, '');
}

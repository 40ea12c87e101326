// The Pulumi program for an allocator on AWS: one instance with a fixed address, a role with the least permissions, and the data
// volume, which is not part of the program: nothing that Pulumi does can delete it. A pure function of its spec.
import { secret, type Output } from '@pulumi/pulumi';
import { Eip } from '@pulumi/aws/ec2/eip.js';
import { EipAssociation } from '@pulumi/aws/ec2/eipAssociation.js';
import { Instance } from '@pulumi/aws/ec2/instance.js';
import { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import { VolumeAttachment } from '@pulumi/aws/ec2/volumeAttachment.js';
import { InstanceProfile } from '@pulumi/aws/iam/instanceProfile.js';
import { Role } from '@pulumi/aws/iam/role.js';
import { RolePolicy } from '@pulumi/aws/iam/rolePolicy.js';
import type { AllocatorSpec } from './allocator-spec.ts';
import { allocatorUserData } from './allocator-user-data.ts';
import { allocatorPolicy, sessionPolicy } from './permissions.ts';
import { trustPolicy } from './policies.ts';
import { allocatorName } from './names.ts';
import { allocatorTags } from './tags.ts';

/** Pulumi's driver loads this module by its URL. */
export { allocator as program };

const ROOT_DISK_GB = 20;
const EVERYBODY = { cidrBlocks: ['0.0.0.0/0'], ipv6CidrBlocks: ['::/0'] };

/** An inline program for the Automation API. Its output is the address that the domain must lead to. */
export function allocator(spec: AllocatorSpec): () => Promise<{ readonly publicIp: Output<string> }> {
  return () => new Promise((resolve) => resolve(createResources(spec)));
}

function createResources(spec: AllocatorSpec): { readonly publicIp: Output<string> } {
  const name = allocatorName(spec.deployment);
  const tags = allocatorTags(spec, name);
  const address = new Eip('allocator', { domain: 'vpc', tags });
  const instance = new Instance(
    name,
    {
      ami: spec.amiId,
      instanceType: spec.instanceType,
      subnetId: spec.subnetId,
      vpcSecurityGroupIds: [createSecurityGroup(spec, name).id],
      iamInstanceProfile: createProfile(spec, name).name,
      rootBlockDevice: {
        volumeType: 'gp3',
        volumeSize: ROOT_DISK_GB,
        encrypted: true,
        deleteOnTermination: true,
      },
      // IMDSv2 only; the second hop is the container's.
      metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 2 },
      userDataBase64: secret(address.publicIp.apply((publicIp) => allocatorUserData(spec, publicIp))),
      userDataReplaceOnChange: true,
      tags,
    },
    // A volume can be attached to one instance only. A newer AMI alone is no reason to replace the instance.
    { deleteBeforeReplace: true, ignoreChanges: ['ami'] },
  );
  new VolumeAttachment('data', {
    deviceName: '/dev/sdf',
    instanceId: instance.id,
    volumeId: spec.dataVolumeId,
    // The end of the instance detaches it, cleanly. A replacement that failed is tried again, and Pulumi then deletes this again, for
    // an instance that is gone.
    skipDestroy: true,
  });
  new EipAssociation('allocator', { instanceId: instance.id, allocationId: address.id });
  return { publicIp: address.publicIp };
}

/** Allows incoming http (which Caddy redirects, and needs for its certificate) and https, and all outgoing traffic. */
function createSecurityGroup(spec: AllocatorSpec, name: string): SecurityGroup {
  const open = (protocol: string, port: number) => ({ protocol, fromPort: port, toPort: port, ...EVERYBODY });
  return new SecurityGroup(
    'allocator',
    {
      name,
      description: 'A LabLink allocator: http and https',
      vpcId: spec.vpcId,
      ingress: [open('tcp', 80), open('tcp', 443), open('udp', 443)],
      egress: [open('-1', 0)],
      tags: allocatorTags(spec, name),
    },
    { ignoreChanges: ['description'] },
  );
}

/** The role whose credentials the allocator finds on its instance. */
function createProfile(spec: AllocatorSpec, name: string): InstanceProfile {
  const tags = allocatorTags(spec, name);
  const role = new Role('allocator', {
    name,
    description: 'What a LabLink allocator may do: launch, watch and destroy the machines of its deployment',
    assumeRolePolicy: trustPolicy('ec2.amazonaws.com'),
    forceDetachPolicies: true,
    tags,
  });
  const policies = {
    allocator: allocatorPolicy(spec),
    ...(spec.sessions && { session: sessionPolicy() }),
  };
  for (const [policyName, policy] of Object.entries(policies))
    new RolePolicy(policyName, { name: policyName, role: role.name, policy: JSON.stringify(policy) });
  return new InstanceProfile('allocator', { name, role: role.name, tags });
}

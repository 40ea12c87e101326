// One client VM. An existing machine is never changed, restarted or replaced by a later spec.
import { all, secret, type Output } from '@pulumi/pulumi';
import { Instance, type InstanceArgs } from '@pulumi/aws/ec2/instance.js';
import type { KeyPair } from '@pulumi/aws/ec2/keyPair.js';
import type { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import type { InstanceProfile } from '@pulumi/aws/iam/instanceProfile.js';
import type { ClientVmsSpec, MachineOutput, MachineSpec } from './spec.ts';
import { machineTags } from './tags.ts';

/**
 * All inputs that we set. Pulumi ignores changes of them for existing machines, so a newer image, another type or other tags
 * apply to new machines only. An input that is not in this list does not compile (see `Inputs`).
 */
const MACHINE_INPUTS = [
  'ami',
  'iamInstanceProfile',
  'instanceInitiatedShutdownBehavior',
  'instanceType',
  'keyName',
  'metadataOptions',
  'rootBlockDevice',
  'subnetId',
  'tags',
  'userDataBase64',
  'volumeTags',
  'vpcSecurityGroupIds',
] as const satisfies readonly (keyof InstanceArgs)[];

type Inputs = Required<Pick<InstanceArgs, (typeof MACHINE_INPUTS)[number]>>;

/** Inputs that we do not set, and that the provider may set itself in a later version. */
const UNSET_INPUTS = [
  'associatePublicIpAddress',
  'availabilityZone',
  'creditSpecification',
  'ebsOptimized',
  'privateIp',
  'securityGroups',
  'tagsAll',
  'userData',
  'userDataReplaceOnChange',
] as const;

const TIMEOUTS = { create: '10m', update: '10m', delete: '20m' };

export type SharedResources = {
  readonly securityGroup: SecurityGroup;
  readonly keyPair: KeyPair;
  readonly profile: InstanceProfile;
};

/** The name of the resource is the hostname. */
export function createMachine(
  spec: ClientVmsSpec,
  machine: MachineSpec,
  userDataBase64: string,
  shared: SharedResources,
): Output<MachineOutput> {
  // User data contains the machine's token.
  const inputs: Inputs = { ...inputsOf(spec, machine, shared), userDataBase64: secret(userDataBase64) };
  const instance = new Instance(machine.hostname, inputs, {
    ignoreChanges: [...MACHINE_INPUTS, ...UNSET_INPUTS],
    customTimeouts: TIMEOUTS,
  });
  return all([instance.id, instance.publicIp, instance.privateIp]).apply(
    ([instanceId, publicIp, privateIp]) => ({ instanceId, publicIp, privateIp }),
  );
}

function inputsOf(
  spec: ClientVmsSpec,
  machine: MachineSpec,
  shared: SharedResources,
): Omit<Inputs, 'userDataBase64'> {
  const tags = machineTags(spec, machine);
  return {
    ami: spec.amiId,
    instanceType: machine.instanceType,
    subnetId: machine.subnetId,
    vpcSecurityGroupIds: [shared.securityGroup.id],
    keyName: shared.keyPair.keyName,
    iamInstanceProfile: shared.profile.name,
    rootBlockDevice: {
      volumeType: 'gp3',
      volumeSize: spec.diskGb,
      encrypted: true,
      deleteOnTermination: true,
    },
    // IMDSv2 only; one hop is enough for a container on the host network.
    metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
    // A machine that shuts itself down is terminated, and costs nothing.
    instanceInitiatedShutdownBehavior: 'terminate',
    tags,
    volumeTags: tags,
  };
}

// One client VM. Made as its spec says; once it is there, no later spec changes, restarts or replaces it.
import { all, secret, type Output } from '@pulumi/pulumi';
import { Instance, type InstanceArgs } from '@pulumi/aws/ec2/instance.js';
import type { KeyPair } from '@pulumi/aws/ec2/keyPair.js';
import type { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import type { InstanceProfile } from '@pulumi/aws/iam/instanceProfile.js';
import type { ClientVmsSpec, MachineOutput, MachineSpec } from './spec.ts';
import { machineTags } from './tags.ts';

/**
 * Every input that we give. The engine ignores their changes where the machine exists: a newer image behind the same
 * name, another type, other tags are for machines to come. What is not in this list cannot be given (see `Inputs`).
 */
const INPUTS_OF_A_MACHINE = [
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

type Inputs = Required<Pick<InstanceArgs, (typeof INPUTS_OF_A_MACHINE)[number]>>;

/** What we do not give, and the provider may fill in by itself some day. */
const LEFT_TO_THE_CLOUD = [
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

/** EC2 takes its time to say that a machine is there, and more to say that it is gone. */
const TIMEOUTS = { create: '10m', update: '10m', delete: '20m' };

export type SharedResources = {
  readonly securityGroup: SecurityGroup;
  readonly keyPair: KeyPair;
  readonly profile: InstanceProfile;
};

/** Its resource is called by its hostname. */
export function makeMachine(
  spec: ClientVmsSpec,
  machine: MachineSpec,
  userDataBase64: string,
  shared: SharedResources,
): Output<MachineOutput> {
  // It holds the machine's token.
  const inputs: Inputs = { ...inputsOf(spec, machine, shared), userDataBase64: secret(userDataBase64) };
  const instance = new Instance(machine.hostname, inputs, {
    ignoreChanges: [...INPUTS_OF_A_MACHINE, ...LEFT_TO_THE_CLOUD],
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
    // Version 2 only; one hop is enough for a container on the machine's own network.
    metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
    // A machine that shuts itself down at the end costs nothing any more.
    instanceInitiatedShutdownBehavior: 'terminate',
    tags,
    volumeTags: tags,
  };
}

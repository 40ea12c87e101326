// The Pulumi program for client VMs and their shared resources: a pure function of its spec, keyed by hostname. It makes no
// lookups (invokes); the spec contains everything that has to be known about the AWS account.
import type { Output } from '@pulumi/pulumi';
import { InstanceProfile } from '@pulumi/aws/iam/instanceProfile.js';
import { Role } from '@pulumi/aws/iam/role.js';
import { RolePolicy } from '@pulumi/aws/iam/rolePolicy.js';
import { LogGroup } from '@pulumi/aws/cloudwatch/logGroup.js';
import { KeyPair } from '@pulumi/aws/ec2/keyPair.js';
import { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import { createLogForwarder } from './forwarder.ts';
import { createMachine } from './machine.ts';
import { resourceNames, type ResourceNames } from './names.ts';
import { trustPolicy, writeLogsPolicy } from './policies.ts';
import type { ClientVmsSpec, MachineOutput, MachineSpec } from './spec.ts';
import { sharedTags } from './tags.ts';
import { userData } from './user-data.ts';

export type ClientVmsOutputs = { readonly machines: Record<string, Output<MachineOutput>> };

/** Pulumi's driver loads this module by its URL. */
export { clientVms as program };

/**
 * An inline program for the Automation API; its outputs are `{ machines: { [hostname]: MachineOutput } }`. The shared
 * resources exist even without machines. Throws if user data is too large (check with `userData()` first).
 */
export function clientVms(spec: ClientVmsSpec): () => Promise<ClientVmsOutputs> {
  return () => new Promise((resolve) => resolve(createResources(spec)));
}

function createResources(spec: ClientVmsSpec): ClientVmsOutputs {
  // Computed first, so that too large user data fails before anything is created.
  const bootData = new Map(spec.machines.map((machine) => [machine, userDataOrThrow(spec, machine)]));
  const names = resourceNames(spec);
  const logGroup = new LogGroup('logs', {
    name: spec.logs.group,
    retentionInDays: spec.logs.retentionDays,
    tags: sharedTags(spec, spec.logs.group),
  });
  createLogForwarder(spec, names, logGroup);
  const shared = {
    securityGroup: createSecurityGroup(spec, names),
    keyPair: createKeyPair(spec, names),
    profile: createInstanceProfile(spec, names, logGroup),
  };
  const machines = Array.from(bootData, ([machine, data]): [string, Output<MachineOutput>] => [
    machine.hostname,
    createMachine(spec, machine, data, shared),
  ]);
  return { machines: Object.fromEntries(machines) };
}

function userDataOrThrow(spec: ClientVmsSpec, machine: MachineSpec): string {
  const data = userData(spec, machine);
  if (!data.ok) throw new Error(`${data.message} ${data.remedy}`);
  return data.base64;
}

/** Allows incoming SSH from the allocator, and all outgoing traffic. */
function createSecurityGroup(spec: ClientVmsSpec, names: ResourceNames): SecurityGroup {
  const { sshCidrs } = spec.allocator;
  const ssh = {
    description: 'SSH from the allocator',
    protocol: 'tcp',
    fromPort: 22,
    toPort: 22,
    cidrBlocks: sshCidrs.filter((block) => !block.includes(':')),
    ipv6CidrBlocks: sshCidrs.filter((block) => block.includes(':')),
  };
  return new SecurityGroup(
    'machines',
    {
      name: names.securityGroup,
      description: 'Client VMs of a LabLink allocator',
      vpcId: spec.vpcId,
      ingress: sshCidrs.length > 0 ? [ssh] : [],
      egress: [
        { protocol: '-1', fromPort: 0, toPort: 0, cidrBlocks: ['0.0.0.0/0'], ipv6CidrBlocks: ['::/0'] },
      ],
      tags: sharedTags(spec, names.securityGroup),
    },
    // The group cannot move to another VPC while machines use it; the SSH rule can change at any time.
    { ignoreChanges: ['vpcId', 'description'] },
  );
}

function createKeyPair(spec: ClientVmsSpec, names: ResourceNames): KeyPair {
  return new KeyPair('allocator', {
    keyName: names.keyPair,
    publicKey: spec.sshPublicKey,
    tags: sharedTags(spec, names.keyPair),
  });
}

/** Allows a machine only to write its logs into the shared log group. */
function createInstanceProfile(
  spec: ClientVmsSpec,
  names: ResourceNames,
  logGroup: LogGroup,
): InstanceProfile {
  const role = new Role('machine', {
    name: names.machineRole,
    description: 'What client VMs of a LabLink allocator may do: write their logs',
    assumeRolePolicy: trustPolicy('ec2.amazonaws.com'),
    // A policy outside the Pulumi state must not block the deletion.
    forceDetachPolicies: true,
    tags: sharedTags(spec, names.machineRole),
  });
  new RolePolicy('machine-logs', {
    name: 'write-logs',
    role: role.name,
    policy: writeLogsPolicy(logGroup.arn),
  });
  return new InstanceProfile('machine', {
    name: names.machineRole,
    role: role.name,
    tags: sharedTags(spec, names.machineRole),
  });
}

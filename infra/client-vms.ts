// The program that makes a fleet of client VMs on AWS, and what they share: a pure function of its spec, keyed by hostname.
// Asks the cloud nothing (no invokes): what has to be known of it comes in the spec. Knows no driver, no rows, no server.
import type { Output } from '@pulumi/pulumi';
import { InstanceProfile } from '@pulumi/aws/iam/instanceProfile.js';
import { Role } from '@pulumi/aws/iam/role.js';
import { RolePolicy } from '@pulumi/aws/iam/rolePolicy.js';
import { LogGroup } from '@pulumi/aws/cloudwatch/logGroup.js';
import { KeyPair } from '@pulumi/aws/ec2/keyPair.js';
import { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import { makeLogForwarder } from './forwarder.ts';
import { makeMachine } from './machine.ts';
import { resourceNames, type ResourceNames } from './names.ts';
import { trustOf, writeLogsPolicy } from './policies.ts';
import type { ClientVmsSpec, MachineOutput, MachineSpec } from './spec.ts';
import { sharedTags } from './tags.ts';
import { userData } from './user-data.ts';

export type ClientVmsOutputs = { readonly machines: Record<string, Output<MachineOutput>> };

/**
 * An inline program for the Automation API; its outputs are `{ machines: { [hostname]: MachineOutput } }`. What machines
 * share is there also while there are none. Throws where user data would be too large (ask `userData()` before).
 */
export function clientVms(spec: ClientVmsSpec): () => Promise<ClientVmsOutputs> {
  return () => new Promise((resolve) => resolve(makeFleet(spec)));
}

function makeFleet(spec: ClientVmsSpec): ClientVmsOutputs {
  // Before anything is made: a machine whose user data is too large must not leave half a fleet.
  const boots = new Map(spec.machines.map((machine) => [machine, userDataOrThrow(spec, machine)]));
  const names = resourceNames(spec);
  const logGroup = new LogGroup('logs', {
    name: spec.logs.group,
    retentionInDays: spec.logs.retentionDays,
    tags: sharedTags(spec, spec.logs.group),
  });
  makeLogForwarder(spec, names, logGroup);
  const shared = {
    securityGroup: makeSecurityGroup(spec, names),
    keyPair: makeKeyPair(spec, names),
    profile: makeProfile(spec, names, logGroup),
  };
  const machines = Array.from(boots, ([machine, data]): [string, Output<MachineOutput>] => [
    machine.hostname,
    makeMachine(spec, machine, data, shared),
  ]);
  return { machines: Object.fromEntries(machines) };
}

function userDataOrThrow(spec: ClientVmsSpec, machine: MachineSpec): string {
  const data = userData(spec, machine);
  if (!data.ok) throw new Error(`${data.message} ${data.remedy}`);
  return data.base64;
}

/** SSH from the allocator, and nothing else, comes in; everything may go out. */
function makeSecurityGroup(spec: ClientVmsSpec, names: ResourceNames): SecurityGroup {
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
    // It cannot move to another VPC while machines are in it; who may come in can change at any time.
    { ignoreChanges: ['vpcId', 'description'] },
  );
}

function makeKeyPair(spec: ClientVmsSpec, names: ResourceNames): KeyPair {
  return new KeyPair('allocator', {
    keyName: names.keyPair,
    publicKey: spec.sshPublicKey,
    tags: sharedTags(spec, names.keyPair),
  });
}

/** What a machine may do in the cloud: write its logs, into the fleet's log group alone. */
function makeProfile(spec: ClientVmsSpec, names: ResourceNames, logGroup: LogGroup): InstanceProfile {
  const role = new Role('machine', {
    name: names.machineRole,
    description: 'What client VMs of a LabLink allocator may do: write their logs',
    assumeRolePolicy: trustOf('ec2.amazonaws.com'),
    // A policy that no state knows must not keep it.
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

// The tags of machines and shared resources. The Pulumi program sets them, and the server lists resources by them.
import type { ClientVmsSpec, MachineSpec } from './spec.ts';

export const TAG = {
  deployment: 'lablink:deployment',
  /** Random, created once: two servers may share an account and the name of a deployment. */
  uid: 'lablink:uid',
  environment: 'lablink:environment',
  hostname: 'lablink:hostname',
  /** Of an allocator that `lablink deploy` made: its deployment. Its resources are not those of its machines. */
  allocator: 'lablink:allocator',
  /** The operation that created the machine. */
  launch: 'lablink:launch',
} as const;

type Owner = Pick<ClientVmsSpec, 'deployment' | 'deploymentUid' | 'environment'>;

/** Tags of a shared resource. */
export function sharedTags(owner: Owner, name: string): Record<string, string> {
  return {
    Name: name,
    [TAG.deployment]: owner.deployment,
    [TAG.uid]: owner.deploymentUid,
    [TAG.environment]: owner.environment,
  };
}

/** Tags of a machine and its disk. */
export function machineTags(
  owner: Owner,
  machine: Pick<MachineSpec, 'hostname' | 'launchId'>,
): Record<string, string> {
  return {
    ...sharedTags(owner, machine.hostname),
    [TAG.hostname]: machine.hostname,
    [TAG.launch]: machine.launchId,
  };
}

/** Tags of an allocator's own resources: without the tag of the deployment, so that its own role cannot end them. */
export function allocatorTags(owner: Pick<Owner, 'deployment'>, name: string): Record<string, string> {
  return { Name: name, [TAG.allocator]: owner.deployment };
}

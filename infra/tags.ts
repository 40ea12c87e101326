// The tags that every machine carries, and by which the cloud is asked for what is ours. Written by the program, read by
// the driver's own listing; pure.
import type { ClientVmsSpec, MachineSpec } from './spec.ts';

export const TAG = {
  deployment: 'lablink:deployment',
  /** Random, made once: two servers may share an account and a deployment's name. */
  uid: 'lablink:uid',
  environment: 'lablink:environment',
  hostname: 'lablink:hostname',
  /** The operation that made the machine. */
  launch: 'lablink:launch',
} as const;

type Owner = Pick<ClientVmsSpec, 'deployment' | 'deploymentUid' | 'environment'>;

/** Of what machines share. */
export function sharedTags(owner: Owner, name: string): Record<string, string> {
  return {
    Name: name,
    [TAG.deployment]: owner.deployment,
    [TAG.uid]: owner.deploymentUid,
    [TAG.environment]: owner.environment,
  };
}

/** Of a machine and its disk. */
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

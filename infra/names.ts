// The names of the shared resources in AWS: unique per deployment, environment and uid, so that two servers can share an
// account, and at most 64 characters, the smallest limit of all kinds.
import { createHash } from 'node:crypto';
import type { ClientVmsSpec } from './spec.ts';

const READABLE_CHARACTERS = 36;
const DIGEST_CHARACTERS = 10;

type Owner = Pick<ClientVmsSpec, 'deployment' | 'environment' | 'deploymentUid'>;

export type ResourceNames = {
  readonly securityGroup: string;
  readonly keyPair: string;
  readonly machineRole: string;
  readonly forwarder: string;
  readonly forwarderLogGroup: string;
};

export function resourceNames(spec: Owner & Pick<ClientVmsSpec, 'sshPublicKey'>): ResourceNames {
  const prefix = prefixOf(spec);
  return {
    // EC2 rejects names that start with `sg-`.
    securityGroup: `client-vms-${prefix}`,
    // A key pair cannot be changed: a new key gets a new name, and is created before the old one is deleted.
    keyPair: `${prefix}-${digest(spec.sshPublicKey)}`,
    machineRole: `${prefix}-machine`,
    forwarder: `${prefix}-logs`,
    forwarderLogGroup: `/aws/lambda/${prefix}-logs`,
  };
}

/** The log group of the machines, unless the configuration names one. */
export function machineLogGroup(owner: Owner): string {
  return `/lablink/${prefixOf(owner)}`;
}

/**
 * Of an allocator that `lablink deploy` made. The capitals keep it apart from the names of its machines' resources, which its
 * role may change.
 */
export function allocatorName(deployment: string): string {
  return `LabLink-allocator-${deployment}`;
}

/** Matches the names of all resources of a deployment, for IAM policies: `lab-*`. */
export function namePattern(deployment: string): string {
  return `${readable(`${deployment}-`)}*`;
}

function prefixOf({ deployment, environment, deploymentUid }: Owner): string {
  return `${readable(`${deployment}-${environment}`)}-${digest(deployment, environment, deploymentUid)}`;
}

function readable(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/g, '-').slice(0, READABLE_CHARACTERS);
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, DIGEST_CHARACTERS);
}

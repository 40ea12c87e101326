// Composes the input of the Pulumi program from the settings and what AWS says about them. Pure.
import type { ClientVmsSpec, MachineSpec } from '../../../infra/spec.ts';
import type { AwsContext } from './context.ts';
import type { NetworkContext, Placement } from './network-context.ts';
import type { AwsSettings } from './settings.ts';

type NewMachines = {
  readonly launchId: string;
  readonly shutdownAt: Date | null;
  readonly placement: Placement;
  readonly machines: readonly { readonly hostname: string; readonly token: string }[];
};

/** @param existing hostnames of machines that stay unchanged: Pulumi ignores all their inputs except the name */
export function composeSpec(
  context: Pick<AwsContext, 'deployment' | 'uid' | 'sshPublicKey' | 'forwarderToken'>,
  settings: AwsSettings,
  network: NetworkContext,
  existing: readonly string[],
  created: NewMachines | null,
): ClientVmsSpec {
  const { machine } = settings.config;
  const unchanged = { launchId: '', token: '', shutdownAt: null };
  return {
    deployment: context.deployment.name,
    environment: context.deployment.environment,
    deploymentUid: context.uid,
    region: settings.region,
    allocator: { url: settings.url, sshCidrs: settings.sshCidrs },
    sshPublicKey: context.sshPublicKey,
    vpcId: network.vpcId,
    amiId: settings.amiId,
    diskGb: machine.diskGb,
    container: {
      image: settings.image,
      repository: machine.repository ?? null,
      software: machine.software ?? null,
    },
    agent: machine.agent,
    startupScript: settings.startupScript,
    graceMinutes: machine.graceMinutes,
    logs: {
      group: settings.logGroup,
      retentionDays: machine.logRetentionDays,
      forwarderToken: context.forwarderToken,
    },
    machines: [
      ...existing.map((hostname) => ({ hostname, ...unchanged, ...placed(network.placements[0]) })),
      ...(created === null ? [] : newMachines(created)),
    ],
  };
}

function newMachines({ launchId, shutdownAt, placement, machines }: NewMachines): MachineSpec[] {
  const end = shutdownAt?.toISOString() ?? null;
  return machines.map(({ hostname, token }) => ({
    hostname,
    token,
    launchId,
    shutdownAt: end,
    ...placed(placement),
  }));
}

function placed({ instanceType, nvidia, subnetId }: Placement) {
  return { instanceType, nvidia, subnetId };
}

// The program's input, from the settings and what EC2 said of them. Pure.
import type { ClientVmsSpec, MachineSpec } from '../../../infra/spec.ts';
import type { AwsSettings } from './settings.ts';
import type { AwsSite } from './site.ts';
import type { Place, Surroundings } from './surroundings.ts';

type Wanted = {
  readonly launchId: string;
  readonly shutdownAt: Date | null;
  readonly place: Place;
  readonly machines: readonly { readonly hostname: string; readonly token: string }[];
};

/** @param living hostnames that exist already, and stay as they are: of them, the engine ignores all but the name */
export function composeSpec(
  site: Pick<AwsSite, 'deployment' | 'uid' | 'sshPublicKey' | 'forwarderToken'>,
  settings: AwsSettings,
  around: Surroundings,
  living: readonly string[],
  wanted: Wanted | null,
): ClientVmsSpec {
  const { machine } = settings.config;
  return {
    deployment: site.deployment.name,
    environment: site.deployment.environment,
    deploymentUid: site.uid,
    region: settings.region,
    allocator: { url: settings.url, sshCidrs: settings.sshCidrs },
    sshPublicKey: site.sshPublicKey,
    vpcId: around.vpcId,
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
      forwarderToken: site.forwarderToken,
    },
    machines: [
      ...living.map((hostname) => stayAsItIs(hostname, around.places[0])),
      ...(wanted?.machines ?? []).map(({ hostname, token }): MachineSpec => {
        const { instanceType, nvidia, subnetId } = wanted?.place ?? around.places[0];
        const shutdownAt = wanted?.shutdownAt?.toISOString() ?? null;
        return {
          hostname,
          token,
          launchId: wanted?.launchId ?? '',
          instanceType,
          nvidia,
          subnetId,
          shutdownAt,
        };
      }),
    ],
  };
}

function stayAsItIs(hostname: string, { instanceType, nvidia, subnetId }: Place): MachineSpec {
  return { hostname, launchId: '', token: '', instanceType, nvidia, subnetId, shutdownAt: null };
}

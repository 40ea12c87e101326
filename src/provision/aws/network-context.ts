// Looks up what the configuration names in AWS: VPC, subnets, AMI and instance types. This happens before a run, so that
// the Pulumi program needs no lookups, and a wrong value is reported with its key.
import { fail, succeed, type Result } from '../../result.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { RunFailure } from '../engine/failure.ts';
import type { AwsSettings } from './settings.ts';

/** An instance type and the zone to launch it in. */
export type Placement = {
  readonly instanceType: string;
  readonly nvidia: boolean;
  readonly subnetId: string;
  readonly zone: string;
};

export type NetworkContext = {
  readonly vpcId: string;
  /** Whether machines get a public address, at least in the first subnets that are tried. */
  readonly isPublic: boolean;
  /** In the order in which they are tried: all zones of a type, then the next type. */
  readonly placements: readonly [Placement, ...Placement[]];
};

export async function findNetworkContext(
  cloud: Cloud,
  settings: AwsSettings,
  signal: AbortSignal,
): Promise<Result<NetworkContext, RunFailure>> {
  const { vpcId, subnetIds } = settings.config.machine;
  try {
    const [network, image, types] = await Promise.all([
      cloud.network({ ...(vpcId !== undefined && { vpcId }), subnetIds }, signal),
      cloud.image(settings.amiId, signal),
      cloud.describeTypes(settings.types, signal),
    ]);
    if (image === null)
      return fail({
        code: 'program',
        message: `The AMI ${settings.amiId} does not exist in ${settings.region}, or this account cannot use it.`,
        remedy: 'Correct machine.ami_id or app.region in the config file.',
      });
    const [first, ...others] = settings.types.flatMap((instanceType) => {
      const facts = types.get(instanceType);
      if (!facts) return [];
      return network.subnets
        .filter(({ zone }) => facts.zones.length === 0 || facts.zones.includes(zone))
        .map(({ subnetId, zone }) => ({ instanceType, nvidia: facts.nvidia, subnetId, zone }));
    });
    if (first === undefined)
      return fail({
        code: 'program',
        message: `The subnets of ${network.vpcId} (${settings.region}) offer none of the types ${settings.types.join(', ')}.`,
        remedy:
          'Correct machine.machine_type, machine.machine_types or machine.subnet_ids in the config file.',
      });
    const isPublic = network.subnets.some((subnet) => subnet.isPublic);
    return succeed({ vpcId: network.vpcId, isPublic, placements: [first, ...others] });
  } catch (error) {
    if (error instanceof CloudError) return fail(error.failure);
    throw error;
  }
}

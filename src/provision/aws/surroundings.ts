// What EC2 says about what the configuration names: network, image, types. Asked before a run, so that the program need
// not ask anything, and so that a wrong name is told by its key.
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { Failure } from './engine/failure.ts';
import type { AwsSettings } from './settings.ts';

/** Where a machine can be made. */
export type Place = {
  readonly instanceType: string;
  readonly nvidia: boolean;
  readonly subnetId: string;
  readonly zone: string;
};

export type Surroundings = {
  readonly ok: true;
  readonly vpcId: string;
  /** In the order in which they are tried: zone by zone, then the next type. */
  readonly places: readonly [Place, ...Place[]];
};

export type NoSurroundings = { readonly ok: false; readonly failure: Failure };

export async function findSurroundings(
  cloud: Cloud,
  settings: AwsSettings,
  signal: AbortSignal,
): Promise<Surroundings | NoSurroundings> {
  const { vpcId, subnetIds } = settings.config.machine;
  try {
    const [network, image, types] = await Promise.all([
      cloud.network({ ...(vpcId !== undefined && { vpcId }), subnetIds }, signal),
      cloud.image(settings.amiId, signal),
      cloud.describeTypes(settings.types, signal),
    ]);
    if (image === null)
      return wrong(
        `There is no AMI ${settings.amiId} in ${settings.region} that this account may use.`,
        'Correct machine.ami_id or app.region in the config file.',
      );
    const [first, ...others] = settings.types.flatMap((instanceType) => {
      const facts = types.get(instanceType);
      if (!facts) return [];
      return network.subnets
        .filter(({ zone }) => facts.zones.length === 0 || facts.zones.includes(zone))
        .map(({ subnetId, zone }) => ({ instanceType, nvidia: facts.nvidia, subnetId, zone }));
    });
    if (first === undefined)
      return wrong(
        `None of ${settings.types.join(', ')} can be had in the subnets of ${network.vpcId} (${settings.region}).`,
        'Correct machine.machine_type, machine.machine_types or machine.subnet_ids in the config file.',
      );
    return { ok: true, vpcId: network.vpcId, places: [first, ...others] };
  } catch (error) {
    if (error instanceof CloudError) return { ok: false, failure: failureOf(error) };
    throw error;
  }
}

export function failureOf({ kind, message, remedy }: CloudError): Failure {
  return { kind, problem: message, remedy };
}

function wrong(problem: string, remedy: string): NoSurroundings {
  return { ok: false, failure: { kind: 'program', problem, remedy } };
}

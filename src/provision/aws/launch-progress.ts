// What is known about a launch while it runs: which machines exist, which were rejected, and why. It comes from facts of
// the engine, from the Pulumi state, and from the repair of that state.
import type { LaunchSpec, ProvisionReport } from '../provider.ts';
import { addressOf, sshAccess } from './cloud.ts';
import type { EngineRun } from './engine-run.ts';
import type { EngineFact, EngineState } from '../engine/messages.ts';
import type { NetworkContext, Placement } from './network-context.ts';
import type { AwsSettings } from './settings.ts';

export type RequestedMachine = LaunchSpec['vms'][number];

export type Launch = {
  readonly run: EngineRun;
  readonly settings: AwsSettings;
  readonly network: NetworkContext;
  readonly spec: LaunchSpec;
  readonly report: ProvisionReport;
  /** Hostnames of the machines that exist. */
  readonly created: Set<string>;
  /** Why a machine will not be created, by hostname. */
  readonly rejected: Map<string, string>;
  /** Ids of shared resources that an interrupted run left, and that were deleted. */
  readonly cleanedUp: Set<string>;
};

export function missingMachines({ spec, created }: Launch): RequestedMachine[] {
  return spec.vms.filter(({ hostname }) => !created.has(hostname));
}

export async function handleCreated(
  { run: { context }, spec, report, created }: Launch,
  { instanceType }: Placement,
  { hostname, instanceId, publicIp, privateIp, seconds }: Extract<EngineFact, { kind: 'finished' }>,
): Promise<void> {
  const createdAt = new Date(context.now().getTime() - seconds * 1_000);
  const launchId = spec.operationId;
  const address = addressOf({ publicIp, privateIp });
  if (instanceId !== null)
    context.recentMachines.add({ hostname, instanceId, address, launchId, instanceType, createdAt });
  created.add(hostname);
  await report.created(hostname, {
    ...sshAccess(address),
    provisioningSeconds: seconds,
    ...(instanceId !== null && { id: instanceId }),
    instanceType,
  });
}

/** Reports machines of this launch that are in the state, in case no fact reported them. */
export async function reportExisting(
  { spec, report, created }: Launch,
  machines: EngineState['machines'],
): Promise<void> {
  const requested = new Set(spec.vms.map(({ hostname }) => hostname));
  for (const { hostname, instanceId } of machines) {
    if (!requested.has(hostname) || created.has(hostname)) continue;
    created.add(hostname);
    await report.created(hostname, { ...sshAccess(null), id: instanceId, provisioningSeconds: 0 });
  }
}

/** Reports machines that the repair of the state terminated. */
export async function reportTerminated(
  { spec, report, created, rejected, run }: Launch,
  hostnames: readonly string[],
): Promise<void> {
  const requested = new Set(spec.vms.map(({ hostname }) => hostname));
  for (const hostname of hostnames) {
    created.delete(hostname);
    if (requested.has(hostname))
      rejected.set(hostname, 'Pulumi died while it created the machine, so the machine was terminated.');
    else await report.gone(hostname);
  }
  if (hostnames.length > 0)
    run.context.log.warn({ hostnames }, 'Machines of an interrupted launch were terminated.');
}

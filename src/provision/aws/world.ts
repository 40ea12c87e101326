// What reconcile.ts compares, as one run sees it: the rows and operations of the database, what EC2 lists, and Pulumi's state.
import type { EngineState } from '../engine/messages.ts';
import { resourceName } from '../engine/reduce-event.ts';
import type { ListedVm } from '../provider.ts';
import type { RecordedState, World } from '../reconcile.ts';
import { sshAccess, type CloudMachine } from './cloud.ts';
import type { EngineRun } from './engine-run.ts';
import type { SharedResource } from './shared-resources/kinds.ts';

type Parts = {
  /** Null = it was not read. */
  readonly state?: RecordedState | null;
  readonly resources?: readonly SharedResource[];
  readonly destroying?: 'all' | null;
};

/** In the name of the operation that runs, because its lease is ours. Throws CloudError. */
export async function readWorld(
  run: EngineRun,
  { state = null, resources, destroying = null }: Parts,
): Promise<World<SharedResource>> {
  const { rows, operations } = await run.context.records();
  const listed = (await listRunning(run)).flatMap(listedVm);
  const ids = new Set(listed.map(({ id }) => id));
  const recent = run.context.recentMachines.list().filter(({ instanceId }) => !ids.has(instanceId));
  const running = [...operations.values()].find(({ status }) => status === 'running');
  return {
    provider: 'aws',
    rows,
    vms: [
      ...listed,
      ...recent.map(({ hostname, instanceId, launchId }) => ({
        hostname,
        id: instanceId,
        operationId: launchId,
      })),
    ],
    state,
    resources: resources ?? null,
    operations,
    currentId: running?.id ?? null,
    destroying,
    listDelayMs: run.context.limits.listDelayMs,
    now: run.context.now(),
  };
}

/** @param isDoubtful the last command failed without saying what it changed */
export function recordedState(state: EngineState, isDoubtful = false): RecordedState {
  return { ...state, pending: state.pending.map(resourceName), isDoubtful };
}

/** Instances with our uid that are neither terminated nor terminating. */
export async function listRunning({ cloud, killSignal }: EngineRun): Promise<CloudMachine[]> {
  return (await cloud.listMachines(killSignal)).filter(({ state }) => state !== 'shutting-down');
}

/** A terminating machine costs nothing, and is left out. */
export function listedVm(machine: CloudMachine): (ListedVm & { readonly id: string })[] {
  const { hostname, instanceId, launchId, state, address, instanceType, launchedAt } = machine;
  if (state === 'shutting-down') return [];
  const found = {
    hostname: hostname ?? instanceId,
    id: instanceId,
    operationId: launchId,
    instanceType,
    ssh: sshAccess(address),
  };
  return [launchedAt === null ? found : { ...found, createdAt: launchedAt }];
}

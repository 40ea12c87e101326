// Repairs the Pulumi state after an interrupted run, before anything new is created. Terminates only machines that have
// our uid, come from an interrupted launch and were never assigned; others are reported and keep running.
import { succeed, type Result } from '../../result.ts';
import type { CloudMachine } from './cloud.ts';
import type { RunFailure } from '../engine/failure.ts';
import type { EngineState } from '../engine/messages.ts';
import { resourceName } from '../engine/reduce-event.ts';
import { withEngine, type Engine } from '../engine/run.ts';
import { EMPTY_STATE } from '../engine/state.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import { cleanUpSharedResources } from './shared-resources/clean-up.ts';
import type { SharedResource } from './shared-resources/kinds.ts';

export type Repair = {
  readonly state: EngineState;
  /** Machines with our uid that are missing from the state and keep running. */
  readonly orphans: readonly CloudMachine[];
  /** Hostnames of terminated machines. */
  readonly terminated: readonly string[];
  /** Deleted shared resources. */
  readonly cleanedUp: readonly SharedResource[];
};

/**
 * @param launchId the current launch; machines that it left outside the state are terminated too
 * @param isAfterFailure whether the previous command failed, whatever the state says
 */
export async function repairState(
  run: EngineRun,
  engine: Engine,
  launchId: string | null,
  isAfterFailure = false,
): Promise<Result<Repair, RunFailure>> {
  const state = engine.state ?? EMPTY_STATE;
  try {
    const listed = await listRunning(run);
    const known = new Set(state.machines.map(({ instanceId }) => instanceId));
    const outside = listed.filter(({ instanceId }) => !known.has(instanceId));
    const leftOver = await findLeftOver(run, outside, state, launchId);
    if (leftOver.length > 0) await terminateLeftOver(run, leftOver);
    // After a failed destroy, nothing says which machines it terminated.
    const mustRefresh = isAfterFailure && launchId === null;
    const refreshed = await refresh(run, engine, state, listed, mustRefresh);
    if (!refreshed.ok) return refreshed;
    const orphans = outside.filter((machine) => !leftOver.includes(machine));
    reportOrphans(run, orphans);
    const existing = new Set(refreshed.value.machines.map(({ hostname }) => hostname));
    for (const { hostname } of [...state.machines, ...leftOver])
      if (hostname !== null && !existing.has(hostname)) run.context.recentMachines.remove(hostname);
    const mayHaveLeftResources = isAfterFailure || state.pending.length > 0;
    const cleanedUp =
      mayHaveLeftResources && refreshed.value.pending.length === 0 ? await cleanUp(run, refreshed.value) : [];
    const terminated = leftOver.flatMap(({ hostname }) => hostname ?? []);
    return succeed({ state: refreshed.value, orphans, terminated, cleanedUp });
  } catch (error) {
    return failureOf(error);
  }
}

/** After Pulumi failed in the middle of a run: repairs the state now, not at the next run. Null if that is impossible. */
export async function repairAfterFailure(
  run: EngineRun,
  { code }: RunFailure,
  launchId: string | null,
): Promise<Repair | null> {
  if (run.killSignal.aborted || code === 'busy') return null;
  const uncancelled = { ...run, cancelSignal: new AbortController().signal };
  const repaired = await withEngine(uncancelled, (engine) =>
    repairState(uncancelled, engine, launchId, true),
  );
  if (repaired.ok) return repaired.value;
  const text = `The Pulumi state could not be compared with AWS: ${repaired.failure.message}`;
  run.emit({ level: 'warning', text });
  return null;
}

/** Instances with our uid that are neither terminated nor terminating. */
export async function listRunning({ cloud, killSignal }: EngineRun): Promise<CloudMachine[]> {
  return (await cloud.listMachines(killSignal)).filter(({ state }) => state !== 'shutting-down');
}

function reportOrphans({ emit }: EngineRun, machines: readonly CloudMachine[]): void {
  for (const { hostname, instanceId } of machines)
    emit({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The instance ${instanceId} has the tags of this deployment, but is missing from the Pulumi state. It keeps running.`,
    });
}

async function cleanUp(run: EngineRun, state: EngineState): Promise<readonly SharedResource[]> {
  const { removed, problems } = await cleanUpSharedResources(run, state, { keepLogs: true });
  for (const problem of problems)
    run.emit({ level: 'warning', text: `Resources of an interrupted run could not be listed: ${problem}` });
  return removed;
}

async function findLeftOver(
  { context }: EngineRun,
  outside: readonly CloudMachine[],
  state: EngineState,
  launchId: string | null,
): Promise<CloudMachine[]> {
  if (outside.length === 0) return [];
  const records = await context.launchRecords(outside);
  const pending = new Set(state.pending.map(resourceName));
  return outside.filter((machine) => {
    const record = records.get(machine.instanceId);
    if (!record?.known || record.assigned) return false;
    const isPending = machine.hostname !== null && pending.has(machine.hostname);
    // An empty state may have been lost; its machines may work.
    const isOverlooked = record.failed && state.others.length > 0;
    return record.interrupted || isOverlooked || isPending || machine.launchId === launchId;
  });
}

async function terminateLeftOver(
  { cloud, killSignal, emit }: EngineRun,
  machines: readonly CloudMachine[],
): Promise<void> {
  for (const { hostname, instanceId } of machines)
    emit({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `An interrupted launch left the instance ${instanceId}, which is missing from the Pulumi state. Terminating the instance.`,
    });
  const instanceIds = machines.map(({ instanceId }) => instanceId);
  await cloud.terminate(instanceIds, killSignal);
}

/** Refreshes the state from AWS if it lists machines that do not exist, or unfinished operations. */
async function refresh(
  { context, emit, cancelSignal }: EngineRun,
  engine: Engine,
  state: EngineState,
  listed: readonly CloudMachine[],
  mustRefresh: boolean,
): Promise<Result<EngineState, RunFailure>> {
  const existing = new Set([...listed, ...context.recentMachines.list()].map(({ instanceId }) => instanceId));
  const gone = state.machines.filter(({ instanceId }) => !existing.has(instanceId));
  const isCurrent = gone.length === 0 && state.pending.length === 0;
  if (isCurrent && !(mustRefresh && state.machines.length > 0)) return succeed(state);
  // Pulumi would not start; the next run refreshes the state.
  if (cancelSignal.aborted) return succeed(state);
  const reason =
    gone.length > 0
      ? `${gone.map(({ hostname }) => hostname).join(', ')} no longer exist`
      : 'an earlier run was interrupted';
  emit({ level: 'info', text: `Refreshing the Pulumi state from AWS: ${reason}.` });
  const refreshed = await engine.execute({ kind: 'refresh' });
  return refreshed.ok ? succeed(refreshed.value ?? EMPTY_STATE) : refreshed;
}

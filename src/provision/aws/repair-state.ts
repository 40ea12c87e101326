// Repairs the Pulumi state after an interrupted run, before anything new is created. Terminates only machines that have
// our uid, come from an interrupted launch and were never assigned; others are reported and keep running.
import { succeed, type Result } from '../../result.ts';
import type { ListedVm } from '../provider.ts';
import { reconcile, type Action } from '../reconcile.ts';
import type { RunFailure } from '../engine/failure.ts';
import type { EngineState } from '../engine/messages.ts';
import { withEngine, type Engine } from '../engine/run.ts';
import { EMPTY_STATE } from '../engine/state.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import { cleanUpSharedResources } from './shared-resources/clean-up.ts';
import type { SharedResource } from './shared-resources/kinds.ts';
import { readWorld, recordedState } from './world.ts';

export type Repair = {
  readonly state: EngineState;
  /** Machines with our uid that are missing from the state and keep running. */
  readonly orphans: readonly ListedVm[];
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
    // After a failed destroy, nothing says which machines it terminated.
    const recorded = recordedState(state, isAfterFailure && launchId === null);
    const world = await readWorld(run, { state: recorded });
    const actions = reconcile(world);
    const leftOver = endedBy(actions);
    if (leftOver.length > 0) await terminateLeftOver(run, leftOver);
    const refreshed = await refresh(run, engine, state, actions);
    if (!refreshed.ok) return refreshed;
    const known = new Set(state.machines.map(({ instanceId }) => instanceId));
    const orphans = world.vms.filter((vm) => !known.has(vm.id ?? '') && !leftOver.includes(vm));
    reportOrphans(run, orphans);
    const existing = new Set(refreshed.value.machines.map(({ hostname }) => hostname));
    for (const { hostname } of [...state.machines, ...leftOver])
      if (!existing.has(hostname)) run.context.recentMachines.remove(hostname);
    const mayHaveLeftResources = isAfterFailure || state.pending.length > 0;
    const cleanedUp = mayHaveLeftResources ? await cleanUp(run, refreshed.value) : [];
    const terminated = leftOver.map(({ hostname }) => hostname);
    return succeed({ state: refreshed.value, orphans, terminated, cleanedUp });
  } catch (error) {
    return failureOf(error);
  }
}

/** The machines that the actions terminate. */
export function endedBy(actions: readonly Action[]): readonly ListedVm[] {
  return actions.flatMap((one) => (one.kind === 'terminate' && 'vm' in one ? [one.vm] : []));
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

function reportOrphans({ emit }: EngineRun, machines: readonly ListedVm[]): void {
  for (const { hostname, id = hostname } of machines)
    emit({
      level: 'warning',
      hostname,
      text: `The instance ${id} has the tags of this deployment, but is missing from the Pulumi state. It keeps running.`,
    });
}

async function cleanUp(run: EngineRun, state: EngineState): Promise<readonly SharedResource[]> {
  const { removed, problems } = await cleanUpSharedResources(run, state, { keepLogs: true });
  for (const problem of problems)
    run.emit({ level: 'warning', text: `Resources of an interrupted run could not be listed: ${problem}` });
  return removed;
}

async function terminateLeftOver(
  { cloud, killSignal, emit }: EngineRun,
  machines: readonly ListedVm[],
): Promise<void> {
  for (const { hostname, id = hostname } of machines)
    emit({
      level: 'warning',
      hostname,
      text: `An interrupted launch left the instance ${id}, which is missing from the Pulumi state. Terminating the instance.`,
    });
  await cloud.terminate(
    machines.flatMap(({ id }) => id ?? []),
    killSignal,
  );
}

/** Refreshes the state from AWS if it lists machines that do not exist, or unfinished operations. */
async function refresh(
  { emit, cancelSignal }: EngineRun,
  engine: Engine,
  state: EngineState,
  actions: readonly Action[],
): Promise<Result<EngineState, RunFailure>> {
  const wanted = actions.find((one) => one.kind === 'refresh');
  // Pulumi would not start after a cancellation; the next run refreshes the state.
  if (wanted === undefined || cancelSignal.aborted) return succeed(state);
  const reason =
    wanted.gone.length > 0 ? `${wanted.gone.join(', ')} no longer exist` : 'an earlier run was interrupted';
  emit({ level: 'info', text: `Refreshing the Pulumi state from AWS: ${reason}.` });
  const refreshed = await engine.execute({ kind: 'refresh' });
  return refreshed.ok ? succeed(refreshed.value ?? EMPTY_STATE) : refreshed;
}

// Deletes shared resources that an interrupted run created and that are missing from the Pulumi state: the next run would
// fail on them ("already exists"). Does nothing while a machine outside the state runs, because the machine may use them.
import { CloudError } from '../cloud-error.ts';
import type { EngineState } from '../../engine/messages.ts';
import type { EngineRun } from '../engine-run.ts';
import { reconcile } from '../../reconcile.ts';
import { readWorld, recordedState } from '../world.ts';
import type { SharedResource } from './kinds.ts';

export type CleanUp = {
  readonly removed: readonly SharedResource[];
  /** Missing from the state, and still there. */
  readonly remaining: readonly SharedResource[];
  /** What could not be listed, one sentence each. */
  readonly problems: readonly string[];
};

/**
 * @param state what it contains is kept
 * @param keepLogs keeps log groups that contain logs; false when everything is destroyed
 */
export async function cleanUpSharedResources(
  run: EngineRun,
  state: EngineState,
  { keepLogs }: { readonly keepLogs: boolean },
): Promise<CleanUp> {
  const { resources, problems } = await run.context.sharedResources(run.region).list(run.killSignal);
  if (resources.length === 0) return { removed: [], remaining: [], problems };
  const destroying = keepLogs ? null : 'all';
  const world = await readWorld(run, { state: recordedState(state), resources, destroying });
  const removed: SharedResource[] = [];
  const remaining: SharedResource[] = [];
  for (const action of reconcile(world)) {
    if (!('resource' in action)) continue;
    const { resource } = action;
    if (action.kind === 'terminate') ((await remove(run, resource)) ? removed : remaining).push(resource);
    else if (action.reason !== 'in_state') {
      report(run, resource, kept[action.reason]);
      remaining.push(resource);
    }
  }
  return { removed, remaining, problems };
}

const kept = {
  in_use: 'It is kept, because a machine that is missing from the state may use it.',
  has_logs: 'It is kept, because it contains logs.',
} as const;

async function remove(run: EngineRun, resource: SharedResource): Promise<boolean> {
  try {
    await run.context.sharedResources(run.region).remove(resource, run.killSignal);
  } catch (error) {
    if (!(error instanceof CloudError) || error.failure.code === 'cancelled') throw error;
    report(run, resource, `It could not be deleted. ${error.message} ${error.failure.remedy}`);
    return false;
  }
  report(run, resource, 'It was deleted.');
  return true;
}

function report({ emit }: EngineRun, { label, id }: SharedResource, outcome: string): void {
  const text = `An interrupted run left the ${label} ${id}, which is missing from the Pulumi state. ${outcome}`;
  emit({ level: 'warning', text });
}

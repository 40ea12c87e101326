// Deletes shared resources that an interrupted run created and that are missing from the Pulumi state: the next run would
// fail on them ("already exists"). Does nothing while a machine outside the state runs, because the machine may use them.
import { CloudError } from '../cloud-error.ts';
import type { EngineState } from '../../engine/messages.ts';
import type { EngineRun } from '../engine-run.ts';
import type { SharedResource } from './kinds.ts';

export type CleanUp = {
  readonly removed: readonly SharedResource[];
  /** Missing from the state, and still there. */
  readonly remaining: readonly SharedResource[];
  /** What could not be listed, one sentence each. */
  readonly problems: readonly string[];
};

/**
 * @param known resources of the state, which are kept
 * @param keepLogs keeps log groups that contain logs; false when everything is destroyed
 */
export async function cleanUpSharedResources(
  run: EngineRun,
  known: Pick<EngineState, 'machines' | 'others'>,
  { keepLogs }: { readonly keepLogs: boolean },
): Promise<CleanUp> {
  const { resources, problems } = await run.context.sharedResources(run.region).list(run.killSignal);
  const unknown = resources.filter(
    ({ type, id }) => !known.others.some((other) => other.type === type && other.id === id),
  );
  if (unknown.length === 0) return { removed: [], remaining: [], problems };
  const mayBeInUse = await hasUnknownMachine(run, known);
  const removed: SharedResource[] = [];
  for (const resource of unknown)
    if (mayBeInUse)
      report(run, resource, 'It is kept, because a machine that is missing from the state may use it.');
    else if (keepLogs && resource.hasLogs) report(run, resource, 'It is kept, because it contains logs.');
    else if (await remove(run, resource)) removed.push(resource);
  return { removed, remaining: unknown.filter((resource) => !removed.includes(resource)), problems };
}

async function hasUnknownMachine(
  { cloud, killSignal }: EngineRun,
  { machines }: Pick<EngineState, 'machines'>,
): Promise<boolean> {
  const known = new Set(machines.map(({ instanceId }) => instanceId));
  const listed = await cloud.listMachines(killSignal);
  return listed.some(({ instanceId, state }) => state !== 'shutting-down' && !known.has(instanceId));
}

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

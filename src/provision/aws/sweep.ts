// Shared parts that an interrupted run made and no state knows: the engine forgets what it was in the middle of, and fails
// at it the next time ("exists already"). Known by name and uid; removed, and told. Never while a machine lives that no
// state knows: it may be using them.
import { CloudError } from './cloud-error.ts';
import type { EngineState } from './engine/messages.ts';
import type { CloudPart } from './parts/part.ts';
import type { Work } from './work.ts';

export type Swept = {
  readonly removed: readonly CloudPart[];
  /** Unknown to the state, and still there. */
  readonly left: readonly CloudPart[];
  /** Sentences: what could not be asked. */
  readonly problems: readonly string[];
};

/**
 * @param known what the state has, which stays
 * @param keepLogs leaves log groups that have logs in them: whoever destroys everything means those too
 */
export async function sweepParts(
  work: Work,
  known: Pick<EngineState, 'machines' | 'others'>,
  { keepLogs }: { readonly keepLogs: boolean },
): Promise<Swept> {
  const { site, settings, forced } = work;
  const { parts, problems } = await site.parts(settings.region).list(forced);
  const unknown = parts.filter(
    ({ type, id }) => !known.others.some((other) => other.type === type && other.id === id),
  );
  if (unknown.length === 0) return { removed: [], left: [], problems };
  const isBarred = await hasUnknownMachine(work, known);
  const removed: CloudPart[] = [];
  for (const part of unknown)
    if (isBarred) say(work, part, 'it stays, since a machine that no state knows may be using it.');
    else if (keepLogs && part.holdsLogs) say(work, part, 'it stays, since there are logs in it.');
    else if (await remove(work, part)) removed.push(part);
  return { removed, left: unknown.filter((part) => !removed.includes(part)), problems };
}

async function hasUnknownMachine(
  { cloud, forced }: Work,
  { machines }: Pick<EngineState, 'machines'>,
): Promise<boolean> {
  const known = new Set(machines.map(({ instanceId }) => instanceId));
  const listed = await cloud.listMachines(forced);
  return listed.some(({ instanceId, state }) => state !== 'shutting-down' && !known.has(instanceId));
}

async function remove(work: Work, part: CloudPart): Promise<boolean> {
  const { site, settings, forced } = work;
  try {
    await site.parts(settings.region).remove(part, forced);
  } catch (error) {
    if (!(error instanceof CloudError) || error.kind === 'cancelled') throw error;
    say(work, part, `it could not be removed. ${error.message} ${error.remedy}`);
    return false;
  }
  say(work, part, 'it was removed.');
  return true;
}

function say({ tell }: Work, { what, id }: CloudPart, fate: string): void {
  tell({
    level: 'warning',
    text: `The ${what} ${id} is left of an interrupted run, and no state knows it: ${fate}`,
  });
}

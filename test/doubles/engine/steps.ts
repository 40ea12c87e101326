// The steps of resources, each with its call of the plugin. Before and after a step it sends an event and saves the state.
import { diagnostic, stepMetadata, type EngineEvent, type Op } from './events.ts';
import { unsupported } from './failure.ts';
import type { Plugin } from './plugin.ts';
import { dependentReplacements } from './replacement.ts';
import type { Resource, Snapshot } from './snapshot.ts';
import { isEqual } from './values.ts';

export type StepContext = {
  readonly snapshot: Snapshot;
  readonly save: () => void;
  readonly send: (event: EngineEvent) => void;
  /** The URNs of what the program has registered in this run. */
  readonly registered: ReadonlySet<string>;
  /** A step has failed. */
  readonly stop: () => void;
  /** That of the resources in the state. */
  readonly plugin: () => Promise<Plugin>;
  readonly isProvider: (resource: Resource) => boolean;
};

export function createSteps({
  snapshot,
  save,
  send,
  registered,
  stop,
  plugin: pluginOf,
  isProvider,
}: StepContext) {
  /** The number of resources for each kind of step, without providers. */
  const changes: Record<string, number> = {};
  let steps = 0;
  /** By an earlier resource's replacement in this run. */
  const deletedNow = new Set<string>();
  const condemned: Resource[] = [];

  function count(op: Op, resource: Resource): void {
    if (isProvider(resource)) return;
    steps += 1;
    changes[op] = (changes[op] ?? 0) + 1;
  }

  function saveResource(resource: Resource): void {
    const at = snapshot.resources.findIndex(({ urn }) => urn === resource.urn);
    if (at < 0) snapshot.resources.push(resource);
    else snapshot.resources[at] = resource;
    save();
  }

  function removeResource(urn: string): void {
    snapshot.resources = snapshot.resources.filter((resource) => resource.urn !== urn);
    save();
  }

  const sendStarted = (op: Op, old: Resource | null, news: Resource | null, logical = true) =>
    send({ resourcePreEvent: { metadata: stepMetadata(op, old, news, logical) } });

  function sendFinished(op: Op, old: Resource | null, news: Resource | null, logical = true): void {
    send({ resOutputsEvent: { metadata: stepMetadata(op, old, news, logical) } });
  }

  /** Runs a step; its operation (unless null) is pending in the state until the step ends. Null: the step failed. */
  async function step<Result>(
    { op, old, news }: { op: Op; old: Resource | null; news: Resource | null },
    type: 'creating' | 'updating' | 'deleting' | null,
    work: () => Promise<Result>,
    logical = op !== 'refresh',
  ): Promise<{ readonly result: Result } | null> {
    const resource = news ?? old;
    if (!resource) throw new Error('a step without a resource');
    const operation = type && { resource, type };
    sendStarted(op, old, news, logical);
    if (operation) {
      snapshot.operations.push(operation);
      save();
    }
    const removeOperation = () => {
      snapshot.operations = snapshot.operations.filter((each) => each !== operation);
    };
    try {
      const result = await work();
      removeOperation();
      return { result };
    } catch (error) {
      removeOperation();
      save();
      send(diagnostic('error', error instanceof Error ? error.message : String(error), resource.urn));
      const metadata = stepMetadata(op, old, news, logical);
      send({ resOpFailedEvent: { metadata, status: 0, steps } });
      stop();
      return null;
    }
  }

  async function create(plugin: Plugin, news: Resource): Promise<Resource | null> {
    const done = await step({ op: 'create', old: null, news }, 'creating', () =>
      plugin.create(news.urn, news.inputs),
    );
    if (!done) return null;
    return finishStep('create', null, { ...news, ...done.result });
  }

  async function update(plugin: Plugin, old: Resource, news: Resource): Promise<Resource | null> {
    const done = await step({ op: 'update', old, news: { ...news, id: old.id } }, 'updating', () =>
      plugin.update(old, news.inputs),
    );
    return done && finishStep('update', old, { ...news, id: old.id, outputs: done.result });
  }

  function same(old: Resource, news: Resource): Resource {
    sendStarted('same', old, news);
    return finishStep('same', old, { ...news, id: old.id, outputs: old.outputs });
  }

  /**
   * Deletes the resource, after those that would be replaced because of it, and creates it again; each of those follows when it is
   * registered. The other order, which creates first, is not supported, except for what an earlier run has deleted.
   */
  async function replace(
    plugin: Plugin,
    { deleteBeforeReplace }: { readonly deleteBeforeReplace: boolean },
    old: Resource,
    news: Resource,
  ): Promise<Resource | null> {
    const isPending = old.pendingReplacement === true;
    if (!deleteBeforeReplace && !isPending)
      throw unsupported(`replacing ${news.urn} without deleteBeforeReplace`);
    if (deleteBeforeReplace) {
      const dependents = await dependentReplacements(old, snapshot.resources, registered, plugin);
      // Dependents that an earlier run has deleted are deleted again, the resource itself is not: the real engine does so.
      for (const each of [...dependents.toReversed(), ...(isPending ? [] : [old])]) {
        if (!(await deleteReplaced(plugin, each))) return null;
        saveResource({ ...each, pendingReplacement: true });
        deletedNow.add(each.urn);
      }
    }
    const isDeleted = deleteBeforeReplace || deletedNow.has(old.urn);
    if (isDeleted) finishReplace(old, news);
    const create = () => plugin.create(news.urn, news.inputs);
    const done = await step({ op: 'create-replacement', old, news }, 'creating', create, false);
    if (!done) return null;
    const created = { ...news, ...done.result };
    saveResource(created);
    sendFinished('create-replacement', old, created, false);
    if (isDeleted) return created;
    finishReplace(old, created);
    condemned.push(old);
    return created;
  }

  /** The step that stands for the whole replacement, and does nothing. */
  function finishReplace(old: Resource, news: Resource): void {
    sendStarted('replace', old, news);
    count('replace', news);
    sendFinished('replace', old, news);
  }

  async function deleteReplaced(plugin: Plugin, old: Resource): Promise<boolean> {
    const work = () => plugin.delete(old);
    const done = await step({ op: 'delete-replaced', old, news: null }, 'deleting', work, false);
    if (done) sendFinished('delete-replaced', old, null, false);
    return done !== null;
  }

  /** Deletes what was replaced after its replacement. */
  async function deleteCondemned(): Promise<void> {
    for (const old of condemned.splice(0)) await deleteReplaced(await pluginOf(), old);
  }

  function finishStep(op: Op, old: Resource | null, resource: Resource): Resource {
    saveResource(resource);
    count(op, resource);
    sendFinished(op, old, resource);
    return resource;
  }

  async function deleteOne(old: Resource): Promise<void> {
    if (old.pendingReplacement === true) {
      removePending(old);
      return;
    }
    const work = async () => {
      if (old.custom && !isProvider(old)) await (await pluginOf()).delete(old);
    };
    const done = await step({ op: 'delete', old, news: null }, 'deleting', work);
    if (!done) return;
    removeResource(old.urn);
    count('delete', old);
    sendFinished('delete', old, null);
  }

  function removePending(old: Resource): void {
    sendStarted('remove-pending-replace', old, null, false);
    removeResource(old.urn);
    sendFinished('remove-pending-replace', old, null, false);
  }

  async function refreshOne(old: Resource): Promise<void> {
    const work = async () => (old.custom && !isProvider(old) ? (await pluginOf()).read(old) : { ...old });
    const done = await step({ op: 'refresh', old, news: old }, null, work);
    if (!done) return;
    const { result } = done;
    const news = result && { ...old, ...result };
    const op = !news ? 'delete' : isEqual(news.outputs, old.outputs) ? 'same' : 'update';
    if (news) saveResource(news);
    else removeResource(old.urn);
    count(op, old);
    sendFinished(op, old, news, false);
  }

  return {
    ...{ changes, count, saveResource, sendStarted, sendFinished },
    ...{ create, update, same, replace, deleteCondemned, deleteOne, refreshOne },
  };
}

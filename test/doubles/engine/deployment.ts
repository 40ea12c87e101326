// The steps of one run: decides what each resource needs (create, update, delete, refresh) and calls the plugin. Before and after
// each step it sends an event and saves the state.
import { randomUUID } from 'node:crypto';
import { diagnostic, stepMetadata, type EngineEvent, type Op } from './events.ts';
import { Failure, unsupported } from './failure.ts';
import { missingPlugin, type FoundPlugin, type Plugin } from './plugin.ts';
import type { Scheduler } from './scheduler.ts';
import { dependsOn, type Resource, type Snapshot } from './snapshot.ts';
import { ignoreChanges, isEqual, type Props } from './values.ts';

export type Registration = {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly parent: string;
  readonly version: string;
  readonly inputs: Props;
  readonly dependencies: readonly string[];
  readonly ignoreChanges: readonly string[];
};

/** Why a run fails. The engine adds the error "update failed" only for `step`. */
type StopReason = 'step' | 'program' | 'plugin' | 'cancelled' | 'engine';

export type Deployment = {
  /** Resolves with the resource when its step is done; never if the step fails or the run stops first. */
  readonly register: (registration: Registration) => Promise<Resource>;
  readonly registerOutputs: (urn: string, outputs: Props) => void;
  /**
   * Deletes the resources that are in the state but were not registered: in a destroy, all of them, or the targets if there are
   * any. A target on which another resource depends is rejected.
   */
  readonly deleteUnregistered: (targets?: readonly string[]) => Promise<void>;
  readonly refresh: () => Promise<void>;
  /** Discards the steps that have not started. Only the first reason counts. */
  readonly stop: (reason: StopReason, message?: string, urn?: string) => void;
  /** Resolves when the run is stopped. */
  readonly stopped: Promise<StopReason>;
  /** Null: the run was not stopped. */
  readonly stopReason: () => StopReason | null;
  /** Resolves when no step is running or waiting. */
  readonly idle: () => Promise<void>;
  /** Saves and sends the outputs of the stack, after all other steps. */
  readonly finishOutputs: () => void;
  /** The number of resources for each kind of step, without providers. */
  readonly changes: Readonly<Record<string, number>>;
};

export type DeploymentContext = {
  readonly project: string;
  readonly stack: string;
  /** What the stack configures for the default provider. */
  readonly config: Readonly<Record<string, string>>;
  readonly snapshot: Snapshot;
  readonly save: () => void;
  readonly send: (event: EngineEvent) => void;
  readonly scheduler: Scheduler;
  readonly findPlugin: (version: string) => FoundPlugin | null;
  readonly plugin: (found: FoundPlugin) => Promise<Plugin>;
};

const STACK = 'pulumi:pulumi:Stack';
const PROVIDER = 'pulumi:providers:aws';
const isProvider = ({ type }: Resource) => type.startsWith('pulumi:providers:');

export function createDeployment(context: DeploymentContext): Deployment {
  const { snapshot, save, send, scheduler } = context;
  const changes: Record<string, number> = {};
  const registered = new Set<string>();
  const stopped = Promise.withResolvers<StopReason>();
  let stopReason: StopReason | null = null;
  let steps = 0;
  let provider: Promise<Resource> | null = null;
  let stackStep: { op: Op; old: Resource | null; outputs: Props | null } | null = null;

  function stop(reason: StopReason, message?: string, urn?: string): void {
    if (message !== undefined) send(diagnostic('error', message, urn));
    stopReason ??= reason;
    scheduler.drop();
    stopped.resolve(stopReason);
  }

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

  const sendStarted = (op: Op, old: Resource | null, news: Resource | null) =>
    send({ resourcePreEvent: { metadata: stepMetadata(op, old, news, op !== 'refresh') } });

  function sendFinished(op: Op, old: Resource | null, news: Resource | null, logical = true): void {
    send({ resOutputsEvent: { metadata: stepMetadata(op, old, news, logical) } });
  }

  /** Runs a step; its operation (unless null) is pending in the state until the step ends. Null: the step failed. */
  async function step<Result>(
    { op, old, news }: { op: Op; old: Resource | null; news: Resource | null },
    type: 'creating' | 'updating' | 'deleting' | null,
    work: () => Promise<Result>,
  ): Promise<{ readonly result: Result } | null> {
    const resource = news ?? old;
    if (!resource) throw new Error('a step without a resource');
    const operation = type && { resource, type };
    sendStarted(op, old, news);
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
      const metadata = stepMetadata(op, old, news, op !== 'refresh');
      send({ resOpFailedEvent: { metadata, status: 0, steps } });
      stop('step');
      return null;
    }
  }

  /** Adds a task to the scheduler. An exception is a fault of the engine itself, such as a full disk. */
  function schedule(task: () => Promise<void>): void {
    scheduler.add(() => task().catch((error: unknown) => stop('engine', describe(error))));
  }

  function registerProvider(version: string): Promise<Resource> {
    const name = version === '' ? 'default' : `default_${version.replaceAll('.', '_')}`;
    const urn = `urn:pulumi:${context.stack}::${context.project}::${PROVIDER}::${name}`;
    registered.add(urn);
    return startProvider(urn, version).catch((error: unknown) => {
      stop('plugin', describe(error), urn);
      return new Promise<never>(() => undefined);
    });
  }

  async function startProvider(urn: string, version: string): Promise<Resource> {
    const found = context.findPlugin(version);
    if (!found) throw missingPlugin(version);
    warn(found);
    const settings = { ...context.config, version };
    const inputs = { __internal: {}, ...settings };
    const old = snapshot.resources.find((resource) => resource.urn === urn) ?? null;
    const fresh: Resource = {
      ...{ urn, type: PROVIDER, custom: true, id: '', parent: '', provider: '', inputs, outputs: {} },
      ...{ dependencies: [], created: old?.created ?? now() },
    };
    const op = old ? 'same' : 'create';
    await (await context.plugin(found)).configure(settings);
    sendStarted(op, old, fresh);
    const configured = { ...fresh, id: old?.id ?? randomUUID(), outputs: settings };
    saveResource(configured);
    sendFinished(op, old, configured);
    return configured;
  }

  function warn({ ambient, path }: FoundPlugin): void {
    if (ambient) send(diagnostic('warning', `using pulumi-resource-aws from $PATH at ${path}`));
  }

  function registerComponent(registration: Registration): Resource {
    const old = snapshot.resources.find(({ urn }) => urn === registration.urn) ?? null;
    const resource = resourceOf(registration, old, null);
    const op = old ? 'same' : 'create';
    sendStarted(op, old, resource);
    count(op, resource);
    saveResource({ ...resource, outputs: old?.outputs ?? {} });
    if (registration.type === STACK) stackStep = { op, old, outputs: null };
    return resource;
  }

  async function registerCustom(
    registration: Registration,
    providerResource: Resource,
  ): Promise<Resource | null> {
    const plugin = await pluginOf();
    const old = snapshot.resources.find(({ urn }) => urn === registration.urn) ?? null;
    const requested = {
      ...registration,
      inputs: old
        ? ignoreChanges(old.inputs, registration.inputs, registration.ignoreChanges)
        : registration.inputs,
    };
    const checked = await plugin.check(registration.urn, old?.inputs ?? {}, requested.inputs);
    const news = resourceOf({ ...requested, inputs: checked }, old, providerResource);
    if (!old) return create(plugin, news);
    const { changed, replaces } = isEqual(old.inputs, checked)
      ? { changed: false, replaces: [] }
      : await plugin.diff(old, checked);
    if (replaces.length > 0) throw unsupported(`replacing ${news.urn} for ${replaces.join(', ')}`);
    return changed ? update(plugin, old, news) : same(old, news);
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

  function finishStep(op: Op, old: Resource | null, resource: Resource): Resource {
    saveResource(resource);
    count(op, resource);
    sendFinished(op, old, resource);
    return resource;
  }

  async function deleteOne(old: Resource): Promise<void> {
    const work = async () => {
      if (old.custom && !isProvider(old)) await (await pluginOf()).delete(old);
    };
    const done = await step({ op: 'delete', old, news: null }, 'deleting', work);
    if (!done) return;
    removeResource(old.urn);
    count('delete', old);
    sendFinished('delete', old, null);
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

  function pluginOf(): Promise<Plugin> {
    const version = snapshot.resources.find(isProvider)?.inputs['version'];
    const found = context.findPlugin(typeof version === 'string' ? version : '');
    if (!found) throw missingPlugin(String(version));
    return context.plugin(found);
  }

  return {
    changes,
    stop,
    stopped: stopped.promise,
    stopReason: () => stopReason,
    idle: () => scheduler.idle(),
    register: async (registration) => {
      if (registered.has(registration.urn)) throw new Failure(`Duplicate resource URN '${registration.urn}'`);
      registered.add(registration.urn);
      if (!registration.custom) return registerComponent(registration);
      provider ??= registerProvider(registration.version);
      const providerResource = await provider;
      return new Promise((resolve) => {
        schedule(async () => {
          const resource = await registerCustom(registration, providerResource);
          if (resource) resolve(resource);
        });
      });
    },
    registerOutputs: (urn, outputs) => {
      if (stackStep && urn.includes(`::${STACK}::`)) stackStep.outputs = outputs;
    },
    deleteUnregistered: async (targets = []) => {
      const isTarget = (urn: string): boolean => targets.length === 0 || targets.includes(urn);
      for (const urn of targets) {
        if (!snapshot.resources.some((resource) => resource.urn === urn))
          throw new Failure(`Target '${urn}' could not be found in the stack.`);
        if (snapshot.resources.some((other) => !isTarget(other.urn) && dependsOn(other, urn)))
          throw unsupported(`a target with dependents: ${urn}`);
      }
      while (stopReason === null) {
        const unregistered = snapshot.resources.filter(({ urn }) => !registered.has(urn) && isTarget(urn));
        const deletable = unregistered.filter(
          ({ urn }) => !unregistered.some((other) => dependsOn(other, urn)),
        );
        if (deletable.length === 0) return;
        for (const old of deletable) schedule(() => deleteOne(old));
        await scheduler.idle();
      }
    },
    refresh: async () => {
      const internal = snapshot.resources.filter(
        (resource) => resource.type === STACK || isProvider(resource),
      );
      const others = snapshot.resources.filter((each) => !internal.includes(each));
      for (const resource of internal) await refreshOne(resource);
      for (const resource of others) schedule(() => refreshOne(resource));
      await scheduler.idle();
    },
    finishOutputs: () => {
      if (!stackStep?.outputs) return;
      const { op, old, outputs } = stackStep;
      const stack = snapshot.resources.find(({ type }) => type === STACK);
      if (!stack) return;
      // After a failed program the outputs do not change.
      const news = stopReason === null ? { ...stack, outputs } : stack;
      saveResource(news);
      sendFinished(op, old, news);
    },
  };
}

function resourceOf(
  registration: Registration,
  old: Resource | null,
  providerResource: Resource | null,
): Resource {
  const { urn, type, custom, parent, inputs, dependencies } = registration;
  const provider = providerResource ? `${providerResource.urn}::${providerResource.id}` : '';
  const base = { urn, type, custom, parent, inputs, dependencies, provider };
  return { ...base, id: '', outputs: {}, created: old?.created ?? now() };
}

const now = () => new Date().toISOString();

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

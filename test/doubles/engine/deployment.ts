// One run: decides what each resource needs (create, update, replace, delete, refresh), and in which order.
import { randomUUID } from 'node:crypto';
import { diagnostic, type EngineEvent, type Op } from './events.ts';
import { Failure, unsupported } from './failure.ts';
import { missingPlugin, type FoundPlugin, type Plugin } from './plugin.ts';
import { createSteps } from './steps.ts';
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
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly ignoreChanges: readonly string[];
  readonly deleteBeforeReplace: boolean;
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
  const registered = new Set<string>();
  const stopped = Promise.withResolvers<StopReason>();
  let stopReason: StopReason | null = null;
  let provider: Promise<Resource> | null = null;
  let stackStep: { op: Op; old: Resource | null; outputs: Props | null } | null = null;

  function stop(reason: StopReason, message?: string, urn?: string): void {
    if (message !== undefined) send(diagnostic('error', message, urn));
    stopReason ??= reason;
    scheduler.drop();
    stopped.resolve(stopReason);
  }

  const steps = createSteps({
    ...{ snapshot, save, send, registered },
    stop: () => stop('step'),
    plugin: pluginOf,
    isProvider,
  });
  const { changes, count, saveResource, sendStarted, sendFinished } = steps;

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
      ...{ dependencies: [], propertyDependencies: {}, created: old?.created ?? now() },
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
    if (!old) return steps.create(plugin, news);
    const { changed, replaces } = isEqual(old.inputs, checked)
      ? { changed: false, replaces: [] }
      : await plugin.diff(old, checked);
    if (old.pendingReplacement === true || replaces.length > 0) {
      // A replacement has nothing of the old resource: neither generated names nor ignored changes.
      const inputs = await plugin.check(registration.urn, {}, registration.inputs);
      return steps.replace(plugin, registration, old, { ...news, inputs, created: now() });
    }
    return changed ? steps.update(plugin, old, news) : steps.same(old, news);
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
      if (stopReason === null) schedule(steps.deleteCondemned);
      await scheduler.idle();
      while (stopReason === null) {
        const unregistered = snapshot.resources.filter(({ urn }) => !registered.has(urn) && isTarget(urn));
        const deletable = unregistered.filter(
          ({ urn }) => !unregistered.some((other) => dependsOn(other, urn)),
        );
        if (deletable.length === 0) return;
        for (const old of deletable) schedule(() => steps.deleteOne(old));
        await scheduler.idle();
      }
    },
    refresh: async () => {
      const internal = snapshot.resources.filter(
        (resource) => resource.type === STACK || isProvider(resource),
      );
      const others = snapshot.resources.filter((each) => !internal.includes(each));
      for (const resource of internal) await steps.refreshOne(resource);
      for (const resource of others) schedule(() => steps.refreshOne(resource));
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
  const { urn, type, custom, parent, inputs, dependencies, propertyDependencies } = registration;
  const provider = providerResource ? `${providerResource.urn}::${providerResource.id}` : '';
  const base = { urn, type, custom, parent, inputs, dependencies, propertyDependencies, provider };
  return { ...base, id: '', outputs: {}, created: old?.created ?? now() };
}

const now = () => new Date().toISOString();

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

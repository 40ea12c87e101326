// One run over a stack: finds out what each resource needs and does it through the plugin. Each step is an event, and is saved
// in the state before it starts and after it ends.
import { randomUUID } from 'node:crypto';
import { diagnostic, stepMetadata, type EngineEvent, type Op } from './events.ts';
import { Failure, beyond } from './failure.ts';
import type { FoundPlugin, Plugin } from './plugin.ts';
import type { Scheduler } from './scheduler.ts';
import type { Resource, Snapshot } from './snapshot.ts';
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

/** Why a run is not going to succeed. Only for a refused step does the engine say "update failed" by itself. */
type Trouble = 'step' | 'program' | 'plugin' | 'cancelled' | 'engine';

export type Deployment = {
  /** Resolves with what exists then; never, where the run was stopped before. */
  readonly register: (registration: Registration) => Promise<Resource>;
  readonly registerOutputs: (urn: string, outputs: Props) => void;
  /** Deletes what the state has and the program did not ask for; a destroy asks for nothing. */
  readonly deleteRest: () => Promise<void>;
  readonly refresh: () => Promise<void>;
  /** Ends what has not begun. */
  readonly stop: (trouble: Trouble, message?: string, urn?: string) => void;
  /** Resolves when the run was stopped. */
  readonly stopped: Promise<Trouble>;
  readonly trouble: () => Trouble | null;
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>;
  /** Tells the stack's outputs, after everything else. */
  readonly finishOutputs: () => void;
  /** How many resources came to which end; providers are not counted. */
  readonly changes: Readonly<Record<string, number>>;
};

export type World = {
  readonly project: string;
  readonly stack: string;
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

export function createDeployment(world: World): Deployment {
  const { snapshot, save, send, scheduler } = world;
  const changes: Record<string, number> = {};
  const registered = new Set<string>();
  const stopped = Promise.withResolvers<Trouble>();
  let trouble: Trouble | null = null;
  let steps = 0;
  let provider: Promise<Resource> | null = null;
  let stackStep: { op: Op; old: Resource | null; outputs: Props | null } | null = null;

  function stop(why: Trouble, message?: string, urn?: string): void {
    if (message !== undefined) send(diagnostic('error', message, urn));
    trouble ??= why;
    scheduler.drop();
    stopped.resolve(trouble);
  }

  function count(op: Op, resource: Resource): void {
    if (isProvider(resource)) return;
    steps += 1;
    changes[op] = (changes[op] ?? 0) + 1;
  }

  function keep(resource: Resource): void {
    const at = snapshot.resources.findIndex(({ urn }) => urn === resource.urn);
    if (at < 0) snapshot.resources.push(resource);
    else snapshot.resources[at] = resource;
    save();
  }

  function remove(urn: string): void {
    snapshot.resources = snapshot.resources.filter((resource) => resource.urn !== urn);
    save();
  }

  const before = (op: Op, old: Resource | null, news: Resource | null) =>
    send({ resourcePreEvent: { metadata: stepMetadata(op, old, news, op !== 'refresh') } });

  function after(op: Op, old: Resource | null, news: Resource | null, logical = true): void {
    send({ resOutputsEvent: { metadata: stepMetadata(op, old, news, logical) } });
  }

  /** Runs what changes the cloud, with its operation in the state for as long as nobody knows how it ends. */
  async function step<Result>(
    { op, old, news }: { op: Op; old: Resource | null; news: Resource | null },
    type: 'creating' | 'updating' | 'deleting' | null,
    work: () => Promise<Result>,
  ): Promise<{ readonly result: Result } | null> {
    const resource = news ?? old;
    if (!resource) throw new Error('a step without a resource');
    const operation = type && { resource, type };
    before(op, old, news);
    if (operation) {
      snapshot.operations.push(operation);
      save();
    }
    const ended = () => {
      snapshot.operations = snapshot.operations.filter((each) => each !== operation);
    };
    try {
      const result = await work();
      ended();
      return { result };
    } catch (error) {
      ended();
      save();
      send(diagnostic('error', error instanceof Error ? error.message : String(error), resource.urn));
      const metadata = stepMetadata(op, old, news, op !== 'refresh');
      send({ resOpFailedEvent: { metadata, status: 0, steps } });
      stop('step');
      return null;
    }
  }

  /** A task of the scheduler; what it throws is the engine's own trouble, such as a full disk. */
  function schedule(task: () => Promise<void>): void {
    scheduler.add(() => task().catch((error: unknown) => stop('engine', describe(error))));
  }

  function registerProvider(version: string): Promise<Resource> {
    const name = version === '' ? 'default' : `default_${version.replaceAll('.', '_')}`;
    const urn = `urn:pulumi:${world.stack}::${world.project}::${PROVIDER}::${name}`;
    registered.add(urn);
    return startProvider(urn, version).catch((error: unknown) => {
      stop('plugin', describe(error), urn);
      return new Promise<never>(() => undefined);
    });
  }

  async function startProvider(urn: string, version: string): Promise<Resource> {
    const found = world.findPlugin(version);
    if (!found) throw missing(version);
    warn(found);
    const inputs = { __internal: {}, version };
    const old = snapshot.resources.find((resource) => resource.urn === urn) ?? null;
    const fresh: Resource = {
      ...{ urn, type: PROVIDER, custom: true, id: '', parent: '', provider: '', inputs, outputs: {} },
      ...{ dependencies: [], created: old?.created ?? now() },
    };
    const op = old ? 'same' : 'create';
    await (await world.plugin(found)).configure({ version });
    before(op, old, fresh);
    const made = { ...fresh, id: old?.id ?? randomUUID(), outputs: { version } };
    keep(made);
    after(op, old, made);
    return made;
  }

  function warn({ ambient, path }: FoundPlugin): void {
    if (ambient) send(diagnostic('warning', `using pulumi-resource-aws from $PATH at ${path}`));
  }

  function registerComponent(registration: Registration): Resource {
    const old = snapshot.resources.find(({ urn }) => urn === registration.urn) ?? null;
    const resource = resourceOf(registration, old, null);
    const op = old ? 'same' : 'create';
    before(op, old, resource);
    count(op, resource);
    keep({ ...resource, outputs: old?.outputs ?? {} });
    if (registration.type === STACK) stackStep = { op, old, outputs: null };
    return resource;
  }

  async function registerCustom(registration: Registration, owner: Resource): Promise<Resource | null> {
    const plugin = await pluginOf();
    const old = snapshot.resources.find(({ urn }) => urn === registration.urn) ?? null;
    const asked = { ...registration, inputs: ignored(registration, old) };
    const checked = await plugin.check(registration.urn, old?.inputs ?? {}, asked.inputs);
    const news = resourceOf({ ...asked, inputs: checked }, old, owner);
    if (!old) return create(plugin, news);
    const { changed, replaces } = isEqual(old.inputs, checked)
      ? { changed: false, replaces: [] }
      : await plugin.diff(old, checked);
    if (replaces.length > 0) throw beyond(`replacing ${news.urn} for ${replaces.join(', ')}`);
    return changed ? update(plugin, old, news) : same(old, news);
  }

  async function create(plugin: Plugin, news: Resource): Promise<Resource | null> {
    const done = await step({ op: 'create', old: null, news }, 'creating', () =>
      plugin.create(news.urn, news.inputs),
    );
    if (!done) return null;
    return finished('create', null, { ...news, ...done.result });
  }

  async function update(plugin: Plugin, old: Resource, news: Resource): Promise<Resource | null> {
    const done = await step({ op: 'update', old, news: { ...news, id: old.id } }, 'updating', () =>
      plugin.update(old, news.inputs),
    );
    return done && finished('update', old, { ...news, id: old.id, outputs: done.result });
  }

  function same(old: Resource, news: Resource): Resource {
    before('same', old, news);
    return finished('same', old, { ...news, id: old.id, outputs: old.outputs });
  }

  function finished(op: Op, old: Resource | null, resource: Resource): Resource {
    keep(resource);
    count(op, resource);
    after(op, old, resource);
    return resource;
  }

  async function deleteOne(old: Resource): Promise<void> {
    const work = async () => {
      if (old.custom && !isProvider(old)) await (await pluginOf()).delete(old);
    };
    const done = await step({ op: 'delete', old, news: null }, 'deleting', work);
    if (!done) return;
    remove(old.urn);
    count('delete', old);
    after('delete', old, null);
  }

  async function refreshOne(old: Resource): Promise<void> {
    const work = async () => (old.custom && !isProvider(old) ? (await pluginOf()).read(old) : { ...old });
    const done = await step({ op: 'refresh', old, news: old }, null, work);
    if (!done) return;
    const { result } = done;
    const news = result && { ...old, ...result };
    const op = !news ? 'delete' : isEqual(news.outputs, old.outputs) ? 'same' : 'update';
    if (news) keep(news);
    else remove(old.urn);
    count(op, old);
    after(op, old, news, false);
  }

  function pluginOf(): Promise<Plugin> {
    const version = snapshot.resources.find(isProvider)?.inputs['version'];
    const found = world.findPlugin(typeof version === 'string' ? version : '');
    if (!found) throw missing(String(version));
    return world.plugin(found);
  }

  return {
    changes,
    stop,
    stopped: stopped.promise,
    trouble: () => trouble,
    idle: () => scheduler.idle(),
    register: async (registration) => {
      if (registered.has(registration.urn)) throw new Failure(`Duplicate resource URN '${registration.urn}'`);
      registered.add(registration.urn);
      if (!registration.custom) return registerComponent(registration);
      provider ??= registerProvider(registration.version);
      const owner = await provider;
      return new Promise((resolve) => {
        schedule(async () => {
          const resource = await registerCustom(registration, owner);
          if (resource) resolve(resource);
        });
      });
    },
    registerOutputs: (urn, outputs) => {
      if (stackStep && urn.includes(`::${STACK}::`)) stackStep.outputs = outputs;
    },
    deleteRest: async () => {
      while (trouble === null) {
        const rest = snapshot.resources.filter(({ urn }) => !registered.has(urn));
        const free = rest.filter(({ urn }) => !rest.some((other) => needs(other, urn)));
        if (free.length === 0) return;
        for (const old of free) schedule(() => deleteOne(old));
        await scheduler.idle();
      }
    },
    refresh: async () => {
      const own = snapshot.resources.filter((resource) => resource.type === STACK || isProvider(resource));
      const others = snapshot.resources.filter((each) => !own.includes(each));
      for (const resource of own) await refreshOne(resource);
      for (const resource of others) schedule(() => refreshOne(resource));
      await scheduler.idle();
    },
    finishOutputs: () => {
      if (!stackStep?.outputs) return;
      const { op, old, outputs } = stackStep;
      const stack = snapshot.resources.find(({ type }) => type === STACK);
      if (!stack) return;
      // A program that failed leaves the outputs as they were.
      const news = trouble === null ? { ...stack, outputs } : stack;
      keep(news);
      after(op, old, news);
    },
  };
}

export function missing(version: string): Failure {
  return new Failure(
    `no resource plugin 'pulumi-resource-aws' found in the workspace at version v${version} or on your $PATH`,
  );
}

function needs(other: Resource, urn: string): boolean {
  return (
    other.urn !== urn &&
    (other.dependencies.includes(urn) || other.parent === urn || other.provider.startsWith(`${urn}::`))
  );
}

function ignored({ inputs, ignoreChanges: paths }: Registration, old: Resource | null): Props {
  return old ? ignoreChanges(old.inputs, inputs, paths) : inputs;
}

function resourceOf(registration: Registration, old: Resource | null, owner: Resource | null): Resource {
  const { urn, type, custom, parent, inputs, dependencies } = registration;
  const provider = owner ? `${owner.urn}::${owner.id}` : '';
  const fixed = { urn, type, custom, parent, inputs, dependencies, provider };
  return { ...fixed, id: '', outputs: {}, created: old?.created ?? now() };
}

const now = () => new Date().toISOString();

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

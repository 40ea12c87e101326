// A provider for tests: machines are entries of a map, and the test decides what each call does. Everything above it
// is real.
import { fail, succeed } from '../../src/result.ts';
import type {
  LaunchSpec,
  ListedVm,
  CreatedVm,
  Provider,
  ProvisionReport,
  ProvisionResult,
} from '../../src/provision/provider.ts';

export type ScriptedProvider = Provider & {
  /** What exists, by hostname; a second machine of a name stands under another key. */
  readonly world: Map<string, ListedVm>;
  /** The names of the calls, in order. */
  readonly calls: string[];
  /** What the last launch was told. */
  readonly spec: () => LaunchSpec;
  /** What machines were told as their end, by hostname. */
  readonly armed: Map<string, Date>;
  /** How the next runs go; may be changed at any time. */
  readonly script: Script;
  /** Lets a run that is held, or would be, go on. */
  release(): void;
};

export type Script = {
  readiness: ProvisionResult;
  /** Machines that cannot be made, with the reason. */
  failing: ReadonlyMap<string, string>;
  /** Machines that come into being without being reported. */
  silent: ReadonlySet<string>;
  /** A run waits for `release()` before it ends, having done this many machines; null = it does not wait. */
  holdAfter: number | null;
  /** What a run that is held heeds. */
  heeds: 'ask' | 'force' | 'nothing';
  /** Machines that a destroy leaves. */
  lasting: ReadonlySet<string>;
  listFails: boolean;
  /** What the checks before a launch say; null = there are none. */
  preflight: ProvisionResult | null;
  /** Machines that cannot be told a new end, with the reason. */
  deaf: ReadonlyMap<string, string>;
  /** Thrown by the next call of launch or destroy. */
  throws: Error | null;
  result: ProvisionResult;
};

const facts: CreatedVm = {
  address: '127.0.0.1',
  sshUser: 'client',
  sshPort: 2222,
  sshHostKey: 'ssh-ed25519 AAAA',
  provisioningSeconds: 1.5,
};

const CANCELLED: ProvisionResult = fail({
  code: 'cancelled',
  message: 'The run was cancelled.',
  remedy: 'Begin again.',
});

/** An empty world in which everything works at once. */
export function createScriptedProvider(
  script: Partial<Script> = {},
  name: Provider['name'] = 'local',
): ScriptedProvider {
  const world = new Map<string, ListedVm>();
  const armed = new Map<string, Date>();
  const calls: string[] = [];
  const current: Script = {
    readiness: succeed(),
    failing: new Map(),
    silent: new Set(),
    holdAfter: null,
    heeds: 'ask',
    lasting: new Set(),
    listFails: false,
    preflight: null,
    deaf: new Map(),
    throws: null,
    result: succeed(),
    ...script,
  };
  let lastSpec: LaunchSpec | null = null;
  let held = Promise.withResolvers<unknown>();

  /** Whether the run may go on. */
  async function hold(signal: AbortSignal, force: AbortSignal): Promise<boolean> {
    const left = current.heeds === 'ask' ? signal : current.heeds === 'force' ? force : null;
    const stopped = Promise.withResolvers<unknown>();
    left?.addEventListener('abort', () => stopped.resolve(null), { once: true });
    if (left?.aborted) return false;
    await Promise.race([held.promise, stopped.promise]);
    return left?.aborted !== true;
  }

  async function each(
    hostnames: readonly string[],
    { signal, force }: { signal: AbortSignal; force: AbortSignal },
    work: (hostname: string) => Promise<void>,
  ): Promise<ProvisionResult> {
    if (current.throws) throw current.throws;
    for (const [index, hostname] of hostnames.entries()) {
      if (index === current.holdAfter && !(await hold(signal, force))) return CANCELLED;
      await work(hostname);
    }
    if (current.holdAfter !== null && current.holdAfter >= hostnames.length && !(await hold(signal, force)))
      return CANCELLED;
    return current.result;
  }

  async function make(hostname: string, spec: LaunchSpec, report: ProvisionReport): Promise<void> {
    const reason = current.failing.get(hostname);
    if (reason !== undefined) return report.failed(hostname, reason);
    const named = name === 'aws' ? { id: `i-${hostname}`, instanceType: 'g4dn.xlarge' } : {};
    world.set(hostname, { hostname, operationId: spec.operationId, ssh: facts, ...named });
    if (!current.silent.has(hostname)) await report.created(hostname, { ...facts, ...named });
  }

  return {
    name,
    restart: (hostname) => {
      calls.push(`restart ${hostname}`);
      return Promise.resolve(current.result);
    },
    world,
    armed,
    calls,
    script: current,
    spec: () => {
      if (lastSpec === null) throw new Error('nothing was launched');
      return lastSpec;
    },
    release: () => {
      current.holdAfter = null;
      held.resolve(null);
      held = Promise.withResolvers<unknown>();
    },
    readiness: () => Promise.resolve(current.readiness),
    preflight: () => Promise.resolve(current.preflight ?? succeed()),
    ...(name === 'aws' && asCloud(world, armed, current, calls)),
    launch: async (spec, report, signal, force) => {
      calls.push('launch');
      lastSpec = spec;
      report.event({ level: 'info', text: 'The provider begins.' });
      const names = spec.vms.map(({ hostname }) => hostname);
      return each(names, { signal, force }, (hostname) => make(hostname, spec, report));
    },
    destroy: async (hostnames, report, signal, force) => {
      calls.push('destroy');
      const names = hostnames === 'all' ? [...world.keys()] : hostnames;
      return each(names, { signal, force }, async (hostname) => {
        if (current.lasting.has(hostname)) return;
        world.delete(hostname);
        await report.gone(hostname);
      });
    },
    list: () =>
      current.listFails
        ? Promise.reject(new Error('the provider cannot be asked'))
        : Promise.resolve([...world.values()]),
    start: () => {
      calls.push('start');
      return Promise.resolve();
    },
    stop: () => {
      calls.push('stop');
      return Promise.resolve();
    },
  };
}

/** What machines of a cloud can besides: they have ids, and end themselves. */
function asCloud(
  world: Map<string, ListedVm>,
  armed: Map<string, Date>,
  script: Script,
  calls: string[],
): Pick<Required<Provider>, 'terminate' | 'rescheduleShutdown' | 'graceMinutes'> {
  return {
    graceMinutes: 30,
    terminate: (ids) => {
      calls.push(`terminate ${ids.join(' ')}`);
      for (const [key, { id }] of world) if (id !== undefined && ids.includes(id)) world.delete(key);
      return Promise.resolve(succeed());
    },
    rescheduleShutdown: (hostnames, shutdownAt) => {
      calls.push('rescheduleShutdown');
      return Promise.resolve(
        hostnames.map((hostname) => {
          const error = script.deaf.get(hostname) ?? null;
          if (error === null) armed.set(hostname, shutdownAt);
          return { hostname, error };
        }),
      );
    },
  };
}

// A provider for tests: its machines are entries of a map, and the test decides what each call does.
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
  /** The existing machines by hostname. Tests add a second machine with the same hostname under another key. */
  readonly machines: Map<string, ListedVm>;
  /** The names of the calls, in order. */
  readonly calls: string[];
  /** The spec of the last launch. */
  readonly spec: () => LaunchSpec;
  /** The rescheduled shutdown times by hostname. */
  readonly shutdownTimes: Map<string, Date>;
  /** The behaviour of the provider. Tests may change it at any time. */
  readonly script: Script;
  /** Resets `holdAfter`: a waiting run continues, and later runs do not wait. */
  release(): void;
};

export type Script = {
  readiness: ProvisionResult;
  /** Machines that cannot be created, with the reason. */
  failing: ReadonlyMap<string, string>;
  /** Machines that are created but not reported. */
  unreported: ReadonlySet<string>;
  /** Machines that are created but reported as failed: the run ended before the cloud answered. */
  leftBehind: ReadonlySet<string>;
  /** The cloud does not answer when a machine is terminated by its id. */
  terminateFails: boolean;
  /** Machines with the same name of the deployment and another uid. */
  foreign: readonly ListedVm[];
  /** After this number of machines a run waits for `release()`. Null: it does not wait. */
  holdAfter: number | null;
  /** The signal that ends a waiting run. */
  stopsOn: 'cancel' | 'force' | 'nothing';
  /** Machines that a destroy does not delete. */
  undeletable: ReadonlySet<string>;
  listFails: boolean;
  /** The result of the checks before a launch. Null: there are no checks. */
  preflight: ProvisionResult | null;
  /** Machines whose shutdown cannot be rescheduled, with the reason. */
  unreachable: ReadonlyMap<string, string>;
  /** Launch and destroy throw this error. */
  throws: Error | null;
  result: ProvisionResult;
};

const created: CreatedVm = {
  address: '127.0.0.1',
  sshUser: 'client',
  sshPort: 2222,
  sshHostKey: 'ssh-ed25519 AAAA',
  provisioningSeconds: 1.5,
};

const CANCELLED: ProvisionResult = fail({
  code: 'cancelled',
  message: 'The run was cancelled.',
  remedy: 'Start it again.',
});

/** A provider without machines. By default, every call succeeds at once. */
export function createScriptedProvider(
  script: Partial<Script> = {},
  name: Provider['name'] = 'local',
): ScriptedProvider {
  const machines = new Map<string, ListedVm>();
  const shutdownTimes = new Map<string, Date>();
  const calls: string[] = [];
  const current: Script = {
    readiness: succeed(),
    failing: new Map(),
    unreported: new Set(),
    leftBehind: new Set(),
    terminateFails: false,
    foreign: [],
    holdAfter: null,
    stopsOn: 'cancel',
    undeletable: new Set(),
    listFails: false,
    preflight: null,
    unreachable: new Map(),
    throws: null,
    result: succeed(),
    ...script,
  };
  let lastSpec: LaunchSpec | null = null;
  let released = Promise.withResolvers<unknown>();

  /** Waits for `release()` or the signal; returns whether the run may continue. */
  async function waitForRelease(signal: AbortSignal, force: AbortSignal): Promise<boolean> {
    const stopSignal = current.stopsOn === 'cancel' ? signal : current.stopsOn === 'force' ? force : null;
    const stopped = Promise.withResolvers<unknown>();
    stopSignal?.addEventListener('abort', () => stopped.resolve(null), { once: true });
    if (stopSignal?.aborted) return false;
    await Promise.race([released.promise, stopped.promise]);
    return stopSignal?.aborted !== true;
  }

  async function forEachMachine(
    hostnames: readonly string[],
    { signal, force }: { signal: AbortSignal; force: AbortSignal },
    apply: (hostname: string) => Promise<void>,
  ): Promise<ProvisionResult> {
    if (current.throws) throw current.throws;
    for (const [index, hostname] of hostnames.entries()) {
      if (index === current.holdAfter && !(await waitForRelease(signal, force))) return CANCELLED;
      await apply(hostname);
    }
    if (
      current.holdAfter !== null &&
      current.holdAfter >= hostnames.length &&
      !(await waitForRelease(signal, force))
    )
      return CANCELLED;
    return current.result;
  }

  async function create(hostname: string, spec: LaunchSpec, report: ProvisionReport): Promise<void> {
    const reason = current.failing.get(hostname);
    if (reason !== undefined) return report.failed(hostname, reason);
    const cloudFields = name === 'aws' ? { id: `i-${hostname}`, instanceType: 'g4dn.xlarge' } : {};
    machines.set(hostname, { hostname, operationId: spec.operationId, ssh: created, ...cloudFields });
    if (current.leftBehind.has(hostname)) return report.failed(hostname, 'The run ended.');
    if (!current.unreported.has(hostname)) await report.created(hostname, { ...created, ...cloudFields });
  }

  return {
    name,
    restart: (hostname) => {
      calls.push(`restart ${hostname}`);
      return Promise.resolve(current.result);
    },
    machines,
    shutdownTimes,
    calls,
    script: current,
    spec: () => {
      if (lastSpec === null) throw new Error('nothing was launched');
      return lastSpec;
    },
    release: () => {
      current.holdAfter = null;
      released.resolve(null);
      released = Promise.withResolvers<unknown>();
    },
    readiness: () => Promise.resolve(current.readiness),
    preflight: () => Promise.resolve(current.preflight ?? succeed()),
    ...(name === 'aws' && cloudMethods(machines, shutdownTimes, current, calls)),
    launch: async (spec, report, signal, force) => {
      calls.push('launch');
      lastSpec = spec;
      report.event({ level: 'info', text: 'The provider starts.' });
      const names = spec.vms.map(({ hostname }) => hostname);
      return forEachMachine(names, { signal, force }, (hostname) => create(hostname, spec, report));
    },
    destroy: async (hostnames, report, signal, force) => {
      calls.push('destroy');
      const names = hostnames === 'all' ? [...machines.keys()] : hostnames;
      return forEachMachine(names, { signal, force }, async (hostname) => {
        if (current.undeletable.has(hostname)) return;
        machines.delete(hostname);
        await report.gone(hostname);
      });
    },
    list: () =>
      current.listFails
        ? Promise.reject(new Error('the provider does not answer'))
        : Promise.resolve([...machines.values()]),
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

/** The methods of cloud providers, whose machines have ids and shut themselves down. */
function cloudMethods(
  machines: Map<string, ListedVm>,
  shutdownTimes: Map<string, Date>,
  script: Script,
  calls: string[],
): Pick<Required<Provider>, 'terminate' | 'listForeign' | 'adopt' | 'rescheduleShutdown' | 'graceMinutes'> {
  return {
    graceMinutes: 30,
    listForeign: () => Promise.resolve(script.foreign),
    adopt: (id) => {
      calls.push(`adopt ${id}`);
      for (const vm of script.foreign) if (vm.id === id) machines.set(vm.hostname, vm);
      script.foreign = script.foreign.filter((vm) => vm.id !== id);
      return Promise.resolve(succeed());
    },
    terminate: (ids, signal) => {
      calls.push(`terminate ${ids.join(' ')}`);
      if (signal.aborted || script.terminateFails) return Promise.resolve(CANCELLED);
      for (const [key, { id }] of machines) if (id !== undefined && ids.includes(id)) machines.delete(key);
      return Promise.resolve(succeed());
    },
    rescheduleShutdown: (hostnames, shutdownAt) => {
      calls.push('rescheduleShutdown');
      return Promise.resolve(
        hostnames.map((hostname) => {
          const error = script.unreachable.get(hostname) ?? null;
          if (error === null) shutdownTimes.set(hostname, shutdownAt);
          return { hostname, error };
        }),
      );
    },
  };
}

// The local VMs in the process that runs them: started, asked to end, forced to end. An error that nobody catches ends the VM
// in whose code it was thrown, and no other. Knows no files and no process.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AgentLog } from '../../agent/options.ts';
import type { News, Order } from './host-protocol.ts';

export type Stopping = {
  /** Aborted = end gracefully. */
  readonly signal: AbortSignal;
  /** Aborted = end at once. */
  readonly force: AbortSignal;
};

/** Runs a VM until it must stop, or fails: then it resolves with the reason, a sentence. */
export type RunVm = (
  hostname: string,
  log: AgentLog,
  stopping: Stopping,
  onReady: (sshPort: number) => void,
) => Promise<string | undefined>;

export type HostedVmsOptions = {
  readonly run: RunVm;
  readonly openLog: (hostname: string) => AgentLog;
  readonly send: (news: News) => void;
};

export type HostedVms = {
  readonly obey: (order: Order) => void;
  readonly hostnames: () => readonly string[];
  /** Ends all VMs: gracefully, and after `graceMs` at once. Resolves when none is left. */
  readonly endAll: (graceMs: number) => Promise<void>;
  /** An error that nobody caught. False: it belongs to no VM. */
  readonly onUncaught: (error: unknown) => boolean;
};

type Vm = {
  readonly hostname: string;
  readonly log: AgentLog;
  readonly stop: AbortController;
  readonly force: AbortController;
  /** What ended it unasked, in a few words. */
  error: string | undefined;
  ended: Promise<void>;
};

export function createHostedVms({ run, openLog, send }: HostedVmsOptions): HostedVms {
  const vms = new Map<string, Vm>();
  const running = new AsyncLocalStorage<Vm>();

  function start(hostname: string): void {
    const vm: Vm = {
      hostname,
      log: openLog(hostname),
      stop: new AbortController(),
      force: new AbortController(),
      error: undefined,
      ended: Promise.resolve(),
    };
    vms.set(hostname, vm);
    vm.ended = running.run(vm, () => live(vm));
  }
  async function live(vm: Vm): Promise<void> {
    const { hostname, log, stop, force } = vm;
    const stopping = { signal: stop.signal, force: force.signal };
    try {
      const reason = await run(hostname, log, stopping, (sshPort) =>
        send({ kind: 'ready', hostname, sshPort }),
      );
      if (reason !== undefined) send({ kind: 'failed', hostname, reason });
    } catch (error) {
      send(crash(vm, error));
    }
    vms.delete(hostname);
    send({ kind: 'ended', hostname, how: vm.error ?? 'stopped' });
  }
  function abort(vm: Vm, ...controllers: readonly AbortController[]): void {
    // What listens belongs to the VM, and so do its errors.
    running.run(vm, () => controllers.forEach((controller) => controller.abort()));
  }

  return {
    hostnames: () => [...vms.keys()],
    obey: ({ kind, hostname }) => {
      if (kind === 'start') start(hostname);
      const vm = vms.get(hostname);
      if (kind === 'start' || vm === undefined) return;
      if (kind === 'stop') abort(vm, vm.stop);
      else abort(vm, vm.stop, vm.force);
    },
    endAll: async (graceMs) => {
      const all = [...vms.values()];
      for (const vm of all) abort(vm, vm.stop);
      setTimeout(() => all.forEach((vm) => abort(vm, vm.force)), graceMs).unref();
      await Promise.all(all.map(({ ended }) => ended));
    },
    onUncaught: (error) => {
      const vm = running.getStore();
      if (vm === undefined) return false;
      // It may have ended already.
      if (vms.get(vm.hostname) !== vm) return true;
      send(crash(vm, error));
      abort(vm, vm.stop, vm.force);
      return true;
    },
  };
}

function crash(vm: Vm, error: unknown): News {
  const message = error instanceof Error ? error.message : String(error);
  vm.log.error(`crashed: ${error instanceof Error ? (error.stack ?? message) : message}`);
  vm.error ??= `error: ${message}`;
  return { kind: 'failed', hostname: vm.hostname, reason: `It crashed: ${message}.` };
}

// The local VMs that this process supervises: started from their folders, restarted, stopped. Knows folders and processes, but
// no launches, reports or rows.
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import { endMarkedProcesses, type EndedProcesses } from '../../process/end-marked.ts';
import type { ProcessTable } from '../../process/process-table.ts';
import type { SshAccess } from '../provider.ts';
import {
  createVmHost,
  type HostTimeouts,
  type StartResult,
  type VmHost,
  type VmProcess,
} from './host-process.ts';
import { superviseVm, type Supervisor, type SupervisorTimeouts } from './supervisor.ts';
import { readVmFile, sshAccessOf, vmPaths, writeVmFile, type LocalPaths, type VmFile } from './vm-folder.ts';

export type VmSettings = Pick<VmFile, 'allocatorUrl' | 'software' | 'sshUser' | 'authorizedKey'>;

export type FleetOptions = {
  readonly paths: LocalPaths;
  readonly table: ProcessTable;
  /** The current settings, which replace those in the file of a VM at each start. */
  readonly settings: () => VmSettings;
  readonly readyTimeoutMs: number;
  readonly timeouts: SupervisorTimeouts & HostTimeouts;
  readonly hostProgram?: string | undefined;
  readonly log: Log;
  /** A VM is given up. `reason` is a sentence. */
  readonly onLost: (hostname: string, reason: string) => Promise<void>;
  /** A VM came back with another address. */
  readonly onMoved: (hostname: string, ssh: SshAccess) => Promise<void>;
};

export type Fleet = {
  /** Starts a VM from its folder. Resolves with the first start; afterwards the VM is supervised in any case. */
  readonly start: (hostname: string) => Promise<StartResult>;
  readonly isSupervised: (hostname: string) => boolean;
  readonly folderOf: (hostname: string) => string;
  /** Stops VMs with all their processes; their folders stay. */
  readonly stop: (hostnames: readonly string[], force?: AbortSignal) => Promise<EndedProcesses>;
  readonly stopAll: () => Promise<EndedProcesses>;
};

/** An empty fleet. */
export function createFleet(options: FleetOptions): Fleet {
  const { paths, table } = options;
  const supervisors = new Map<string, Supervisor>();
  const folderOf = (hostname: string): string => join(paths.root, hostname);
  const host = createVmHost(options);
  const cleanUp = createCleaner(options);

  const supervise = (hostname: string): Supervisor => {
    const log = options.log.child({ hostname });
    const supervisor = superviseVm({
      timeouts: options.timeouts,
      start: () => startFromFolder(options, host, hostname),
      cleanUp: () => logErrors(log, () => cleanUp(folderOf(hostname))),
      onReady: (sshPort) => logErrors(log, () => recordPort(options, hostname, sshPort)),
      onDied: (how, restartMs) =>
        log.warn({ restart_ms: restartMs }, `A local VM died and is restarted. ${how}`),
      onLost: (reason) => {
        if (supervisors.get(hostname) === supervisor) supervisors.delete(hostname);
        log.error({}, `A local VM is given up. ${reason}`);
        return logErrors(log, () => options.onLost(hostname, reason));
      },
    });
    return supervisor;
  };
  const stop = async (hostnames: readonly string[], force?: AbortSignal): Promise<void> => {
    await Promise.all(
      hostnames.map(async (hostname) => {
        const supervisor = supervisors.get(hostname);
        supervisors.delete(hostname);
        await supervisor?.stop(force);
      }),
    );
  };

  return {
    isSupervised: (hostname) => supervisors.has(hostname),
    folderOf,
    start: (hostname) => {
      const supervisor = supervisors.get(hostname) ?? supervise(hostname);
      supervisors.set(hostname, supervisor);
      return supervisor.firstStart;
    },
    stop: async (hostnames, force) => {
      await stop(hostnames, force);
      return endMarkedProcesses(table, paths.root, new Set(hostnames.map(folderOf)));
    },
    stopAll: async () => {
      await stop([...supervisors.keys()]);
      return endMarkedProcesses(table, paths.root);
    },
  };
}

/** Kills what VMs that died have left behind: of all that died at the same moment at once, as they do with their process. */
function createCleaner({ table, paths }: FleetOptions): (folder: string) => Promise<unknown> {
  let next: { readonly folders: Set<string>; readonly done: Promise<unknown> } | undefined;
  return (folder) => {
    if (next === undefined) {
      const folders = new Set<string>();
      const done = immediate().then(() => {
        next = undefined;
        return endMarkedProcesses(table, paths.root, folders);
      });
      next = { folders, done };
    }
    next.folders.add(folder);
    return next.done;
  };
}

async function startFromFolder(
  { paths, settings }: FleetOptions,
  host: VmHost,
  hostname: string,
): Promise<VmProcess> {
  const own = vmPaths(join(paths.root, hostname));
  const known = await readVmFile(own.vmFile);
  if (known === undefined) throw new Error(`${own.vmFile} is missing or damaged`);
  if (known.hostname !== hostname) throw new Error(`${own.vmFile} belongs to ${known.hostname}`);
  const current = { ...known, ...settings() };
  if (JSON.stringify(known) !== JSON.stringify(current)) await writeVmFile(own.vmFile, current);
  return host.start(hostname);
}

async function recordPort(options: FleetOptions, hostname: string, sshPort: number): Promise<void> {
  const { vmFile } = vmPaths(join(options.paths.root, hostname));
  const known = await readVmFile(vmFile);
  if (known === undefined || known.sshPort === sshPort) return;
  const current = { ...known, sshPort };
  await writeVmFile(vmFile, current);
  if (known.sshPort !== null) await options.onMoved(hostname, sshAccessOf(current));
}

/** The VM stays supervised although the work fails. */
async function logErrors(log: Log, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error({ err: error }, 'A change of a local VM could not be recorded.');
  }
}

// The machines that this allocator keeps: brought up from their folders, looked after, ended. Knows folders and
// processes; nothing of launches, reports and rows.
import { join } from 'node:path';
import type { Log } from '../../log.ts';
import { endMarkedProcesses, type EndedProcesses } from '../../process/end-marked.ts';
import type { ProcessTable } from '../../process/process-table.ts';
import type { SshAccess } from '../provider.ts';
import type { Gate } from './gate.ts';
import { keepMachine, type Keeper, type Patience } from './keeper.ts';
import { readMachineFile, writeMachineFile, type MachineFile } from './machine-file.ts';
import { startMachineProcess, type CameUp, type MachineProcess } from './machine-process.ts';
import { machinePlaces, type LocalPlaces } from './places.ts';
import { machineReach } from './reach.ts';

export type FleetOptions = {
  readonly places: LocalPlaces;
  readonly table: ProcessTable;
  /** What every machine must know of us now, whatever its file says from last time. */
  readonly settings: () => Pick<MachineFile, 'allocatorUrl' | 'software' | 'sshUser' | 'authorizedKey'>;
  /** So many machines start at once. */
  readonly starts: Gate;
  readonly upMs: number;
  readonly patience: Patience;
  readonly log: Log;
  /** A machine is given up. `reason` is a sentence. */
  readonly onLost: (hostname: string, reason: string) => Promise<void>;
  /** A machine that came back is reached in another way than before. */
  readonly onMoved: (hostname: string, reach: SshAccess) => Promise<void>;
};

export type Fleet = {
  /** Starts a machine from its folder and keeps it. Resolves with how its first start went; then it is still kept. */
  readonly bringUp: (hostname: string) => Promise<CameUp>;
  readonly isKept: (hostname: string) => boolean;
  readonly folderOf: (hostname: string) => string;
  /** Ends machines with all of their processes; their folders stay. */
  readonly end: (hostnames: readonly string[], force?: AbortSignal) => Promise<EndedProcesses>;
  /** Ends all. */
  readonly endAll: () => Promise<EndedProcesses>;
};

/** An empty fleet. */
export function createFleet(options: FleetOptions): Fleet {
  const { places, table } = options;
  const keepers = new Map<string, Keeper>();
  const folderOf = (hostname: string): string => join(places.root, hostname);

  const keep = (hostname: string): Keeper => {
    const log = options.log.child({ hostname });
    const { onLost } = options;
    const keeper = keepMachine({
      patience: options.patience,
      start: (signal) => startMachine(options, hostname, signal),
      cleanUp: () =>
        telling(log, () => endMarkedProcesses(table, places.root, new Set([folderOf(hostname)]))),
      onUp: (sshPort) => telling(log, () => rememberPort(options, hostname, sshPort)),
      onDied: (how, restartMs) =>
        log.warn({ restart_ms: restartMs }, `A local VM has died; it is started again. ${how}`),
      onLost: (reason) => {
        if (keepers.get(hostname) === keeper) keepers.delete(hostname);
        log.error({}, `A local VM is given up. ${reason}`);
        return telling(log, () => onLost(hostname, reason));
      },
    });
    return keeper;
  };
  const end = async (hostnames: readonly string[], force?: AbortSignal): Promise<void> => {
    await Promise.all(
      hostnames.map(async (hostname) => {
        const keeper = keepers.get(hostname);
        keepers.delete(hostname);
        await keeper?.end(force);
      }),
    );
  };

  return {
    isKept: (hostname) => keepers.has(hostname),
    folderOf,
    bringUp: (hostname) => {
      const keeper = keepers.get(hostname) ?? keep(hostname);
      keepers.set(hostname, keeper);
      return keeper.firstStart;
    },
    end: async (hostnames, force) => {
      await end(hostnames, force);
      return endMarkedProcesses(table, places.root, new Set(hostnames.map(folderOf)));
    },
    endAll: async () => {
      await end([...keepers.keys()]);
      return endMarkedProcesses(table, places.root);
    },
  };
}

/** Returns as soon as the process is started; its turn lasts until it is up, because that is what costs. */
async function startMachine(
  options: FleetOptions,
  hostname: string,
  signal: AbortSignal,
): Promise<MachineProcess> {
  const started = Promise.withResolvers<MachineProcess>();
  const turn = options.starts.pass(async () => {
    const process = await startFromFolder(options, hostname);
    started.resolve(process);
    await process.up;
  }, signal);
  turn.catch(started.reject);
  return started.promise;
}

async function startFromFolder(
  { places, settings, upMs }: FleetOptions,
  hostname: string,
): Promise<MachineProcess> {
  const own = machinePlaces(join(places.root, hostname));
  const known = await readMachineFile(own.machineFile);
  if (known === undefined) throw new Error(`${own.machineFile} is missing or damaged`);
  if (known.hostname !== hostname) throw new Error(`${own.machineFile} is that of ${known.hostname}`);
  const current = { ...known, ...settings() };
  if (!isSame(known, current)) await writeMachineFile(own.machineFile, current);
  return startMachineProcess({ places: own, compileCache: places.compileCache, upMs });
}

async function rememberPort(options: FleetOptions, hostname: string, sshPort: number): Promise<void> {
  const { machineFile } = machinePlaces(join(options.places.root, hostname));
  const known = await readMachineFile(machineFile);
  if (known === undefined || known.sshPort === sshPort) return;
  const current = { ...known, sshPort };
  await writeMachineFile(machineFile, current);
  if (known.sshPort !== null) await options.onMoved(hostname, machineReach(current));
}

function isSame(one: MachineFile, other: MachineFile): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What concerns others may fail; the machine is kept all the same. */
async function telling(log: Log, tell: () => Promise<unknown>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    log.error({ err: error }, 'What a local VM did could not be followed up.');
  }
}

// The place where local VMs live: opened by one allocator at a time, rid of what an earlier one left, looked at by all.
import { mkdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { tryFileLock, type FileLock } from '../../db/embedded/file-lock.ts';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable } from '../../process/process-table.ts';
import { fail, succeed, type Failed, type Result } from '../../result.ts';
import type { ListedVm, ProvisionFailure } from '../provider.ts';
import { createFleet, type Fleet, type FleetOptions } from './fleet.ts';
import { createGate } from './gate.ts';
import { LOCAL_VM_MARK } from './machine-environment.ts';
import { listMachineFolders, removeHalfDone } from './machine-folder.ts';
import { readMachineFile } from './machine-file.ts';
import { localPlaces, machinePlaces, type LocalPlaces } from './places.ts';
import { machineReach } from './reach.ts';
import { forgetOldCodes } from './used-codes.ts';

export type Site = {
  readonly places: LocalPlaces;
  readonly fleet: Fleet;
  /** Held as long as the fleet is. */
  readonly lock: FileLock;
};

export type SiteOptions = Omit<FleetOptions, 'places' | 'table' | 'starts'> & {
  readonly startsAtOnce: number;
};

const ROOT_MODE = 0o700;

/** Opens it, and ends what is left of an allocator that was killed. No machine is started yet. */
export async function openSite(
  dataDir: string,
  options: SiteOptions,
): Promise<Result<Site, ProvisionFailure>> {
  const { log, startsAtOnce } = options;
  if (process.platform === 'win32') {
    return refuse('Local VMs run on Linux and macOS.', 'Use WSL, or another provider.');
  }
  try {
    const places = await realPlaces(dataDir);
    const locked = tryFileLock(places.ownerLock, undefined);
    if (!locked.ok) return refuse(locked.failure.message, locked.failure.remedy);
    if (locked.value === undefined) {
      return refuse(
        `Another allocator keeps its local VMs in ${places.root}.`,
        'Stop it, or set DATA_DIR to another folder.',
      );
    }
    const table = await openProcessTable(LOCAL_VM_MARK);
    const { ended } = await endMarkedProcesses(table, places.root);
    if (ended > 0)
      log.warn({ processes: ended }, 'Processes of local VMs had outlived their allocator; ended.');
    await removeHalfDone(places);
    await forgetOldCodes(places.usedCodes, Date.now());
    const fleet = createFleet({ ...options, places, table, starts: createGate(startsAtOnce) });
    return succeed({ places, fleet, lock: locked.value });
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return refuse(
      `The folder of local VMs cannot be used: ${error.message}.`,
      'Let the user of this server own it.',
    );
  }
}

/** What has a folder or a process, whether or not a server is keeping it. */
export async function listMachines(dataDir: string): Promise<ListedVm[]> {
  const places = await realPlaces(dataDir);
  const table = await openProcessTable(LOCAL_VM_MARK);
  const folders = await listMachineFolders(places);
  const running = (await table.marked(places.root)).map(({ folder }) => basename(folder));
  return Promise.all(
    [...new Set([...folders, ...running])].sort().map((hostname) => describe(places, hostname)),
  );
}

async function describe({ root }: LocalPlaces, hostname: string): Promise<ListedVm> {
  const machine = await readMachineFile(machinePlaces(join(root, hostname)).machineFile);
  if (machine === undefined) return { hostname, operationId: null };
  return { hostname, operationId: machine.operationId, ssh: machineReach(machine) };
}

/** Without links: the paths are compared with those that processes are marked by. */
async function realPlaces(dataDir: string): Promise<LocalPlaces> {
  const { root } = localPlaces(dataDir);
  await mkdir(root, { recursive: true, mode: ROOT_MODE });
  return localPlaces(await realpath(dataDir));
}

function refuse(message: string, remedy: string): Failed<ProvisionFailure> {
  return fail({ code: 'program', message, remedy });
}

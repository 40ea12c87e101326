// What the local provider works with while it runs: the paths, the lock on them, and the fleet. Only one allocator at a time
// has it open; listing VMs needs no lock.
import { mkdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { tryFileLock, type FileLock } from '../../db/embedded/file-lock.ts';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable } from '../../process/process-table.ts';
import { fail, succeed, type Failed, type Result } from '../../result.ts';
import type { ListedVm, ProvisionFailure } from '../provider.ts';
import { createFleet, type Fleet, type FleetOptions } from './fleet.ts';
import { LOCAL_VM_MARK } from './host-protocol.ts';
import { forgetOldCodes } from './start-host-check.ts';
import {
  isHostname,
  listVmFolders,
  localPaths,
  readVmFile,
  removeHalfDone,
  sshAccessOf,
  vmPaths,
  type LocalPaths,
} from './vm-folder.ts';

export type LocalContext = {
  readonly paths: LocalPaths;
  readonly fleet: Fleet;
  /** Released after the fleet has stopped. */
  readonly lock: FileLock;
};

export type LocalContextOptions = Omit<FleetOptions, 'paths' | 'table'>;

const ROOT_MODE = 0o700;

/** Kills what an allocator that was killed left behind. Starts no VM yet. */
export async function openLocalContext(
  dataDir: string,
  options: LocalContextOptions,
): Promise<Result<LocalContext, ProvisionFailure>> {
  const { log } = options;
  if (process.platform === 'win32')
    return unusable('Local machines need Linux or macOS.', 'Use WSL, or another provider.');
  try {
    const paths = await createRoot(dataDir);
    const locked = tryFileLock(paths.ownerLock, undefined);
    if (!locked.ok) return unusable(locked.failure.message, locked.failure.remedy);
    if (locked.value === undefined)
      return unusable(
        `Another allocator runs its local machines in ${paths.root}.`,
        'Stop it, or set DATA_DIR to another folder.',
      );
    const table = await openProcessTable(LOCAL_VM_MARK);
    const { ended } = await endMarkedProcesses(table, paths.root);
    if (ended > 0)
      log.warn({ processes: ended }, 'Processes of local VMs of an earlier allocator were killed.');
    await removeHalfDone(paths);
    await forgetOldCodes(paths.usedCodes, Date.now());
    const fleet = createFleet({ ...options, paths, table });
    return succeed({ paths, fleet, lock: locked.value });
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return unusable(
      `The folder of local machines cannot be used: ${error.message}.`,
      'Make the user of this server its owner.',
    );
  }
}

/** Every VM that has a folder or a running command, whether or not an allocator runs. */
export async function listLocalVms(dataDir: string): Promise<ListedVm[]> {
  const paths = await createRoot(dataDir);
  const table = await openProcessTable(LOCAL_VM_MARK);
  const marked = (await table.marked(paths.root)).map(({ folder }) => basename(folder));
  const running = marked.filter(isHostname);
  const hostnames = new Set([...(await listVmFolders(paths)), ...running]);
  return Promise.all([...hostnames].sort().map((hostname) => describe(paths, hostname)));
}

async function describe({ root }: LocalPaths, hostname: string): Promise<ListedVm> {
  const vm = await readVmFile(vmPaths(join(root, hostname)).vmFile);
  if (vm === undefined) return { hostname, operationId: null };
  return { hostname, operationId: vm.operationId, ssh: sshAccessOf(vm) };
}

/** Paths without links, because they are compared with the marks of processes. */
async function createRoot(dataDir: string): Promise<LocalPaths> {
  const { root } = localPaths(dataDir);
  await mkdir(root, { recursive: true, mode: ROOT_MODE });
  return localPaths(await realpath(dataDir));
}

function unusable(message: string, remedy: string): Failed<ProvisionFailure> {
  return fail({ code: 'program', message, remedy });
}

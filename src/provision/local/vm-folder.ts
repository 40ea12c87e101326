// The folder of a local VM and its vm file, machine.json: everything that is needed to start the VM again. Folders are
// created and removed by one rename, so that a crash leaves a whole folder or none.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { readSshKeyPair } from '../../ssh/key-pair.ts';
import type { SshAccess } from '../provider.ts';

/** Absolute paths. Entries of `root` that start with a dot are no VMs, because no hostname does. */
export type LocalPaths = {
  /** Contains one folder per VM. */
  readonly root: string;
  /** Codes that the start-host simulator was given, one empty file each. */
  readonly usedCodes: string;
  /** Names the process that runs the VMs; there is no such folder. */
  readonly host: string;
  /** What that process prints. */
  readonly hostLog: string;
  /** Its compiled code, unless the allocator keeps its own: it starts in a third of the time with it. */
  readonly compileCache: string;
  /** Locked while a process supervises the VMs. */
  readonly ownerLock: string;
};

/** Absolute paths below the folder of a VM. */
export type VmPaths = {
  readonly folder: string;
  /** Contains the token and the SSH host key. */
  readonly vmFile: string;
  /** The files of the participant. */
  readonly desktop: string;
  readonly log: string;
  readonly agentState: string;
  readonly registration: string;
};

export function localPaths(dataDir: string): LocalPaths {
  const root = join(dataDir, 'local-vms');
  return {
    root,
    usedCodes: join(root, '.used-codes'),
    host: join(root, '.host'),
    hostLog: join(root, '.host.log'),
    compileCache: join(root, '.compile-cache'),
    ownerLock: join(root, '.owner.lock'),
  };
}

export function vmPaths(folder: string): VmPaths {
  return {
    folder,
    vmFile: join(folder, 'machine.json'),
    desktop: join(folder, 'Desktop'),
    log: join(folder, 'log', 'machine.log'),
    agentState: join(folder, 'state', 'agent'),
    registration: join(folder, 'state', 'chrome-remote-desktop.json'),
  };
}

/** As the database accepts it: the name of a folder in `root`, and of nothing outside. */
const HOSTNAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;

export function isHostname(name: string): boolean {
  return HOSTNAME.test(name);
}

const VERSION = 1;
const text = z.string().min(1);
const vmFileSchema = z.object({
  version: z.literal(VERSION),
  hostname: text,
  /** The bearer token of the agent. */
  token: text,
  /** The launch that created the VM. */
  operationId: text,
  allocatorUrl: text,
  /** The VM is in use while one of its processes has this in its command line; null = not reported. */
  software: text.nullable(),
  sshUser: text,
  /** The last port, used again if it is free; null before the first start. */
  sshPort: z.number().nullable(),
  /** A private key in OpenSSH's format. */
  sshHostKey: text,
  /** The only key that may log in: `ssh-ed25519 AAAA…`. */
  authorizedKey: text,
  /** Null before the first start. */
  provisioningSeconds: z.number().nullable(),
});
export type VmFile = Readonly<z.output<typeof vmFileSchema>>;

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const NEW = '.new-';
const OLD = '.old-';

/** Undefined if the file is missing or damaged. */
export async function readVmFile(path: string): Promise<VmFile | undefined> {
  try {
    return vmFileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Atomic. */
export async function writeVmFile(path: string, vm: VmFile): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    {
      await using file = await open(temporary, 'wx', FILE_MODE);
      await file.writeFile(`${JSON.stringify(vm, undefined, 2)}\n`);
      await file.sync();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Without a port if the VM was never up. */
export function sshAccessOf({ sshUser, sshPort, sshHostKey }: VmFile): SshAccess {
  const pair = readSshKeyPair(sshHostKey);
  return {
    address: '127.0.0.1',
    sshUser,
    ...(sshPort === null ? {} : { sshPort }),
    ...(pair === undefined ? {} : { sshHostKey: pair.publicKey }),
  };
}

/** A new VM file; the version is of this program. */
export function newVmFile(fields: Omit<VmFile, 'version' | 'sshPort' | 'provisioningSeconds'>): VmFile {
  return { version: VERSION, ...fields, sshPort: null, provisioningSeconds: null };
}

/** Rejects if the folder exists. */
export async function createVmFolder({ root }: LocalPaths, vm: VmFile): Promise<void> {
  const halfDone = temporaryFolder(root, NEW);
  try {
    await mkdir(halfDone, { mode: FOLDER_MODE });
    await writeVmFile(vmPaths(halfDone).vmFile, vm);
    await rename(halfDone, join(root, vm.hostname));
  } finally {
    await rm(halfDone, { recursive: true, force: true });
  }
}

/** Removes the folder of a VM, if it exists. The processes of the VM must have ended. */
export async function removeVmFolder({ root }: LocalPaths, hostname: string): Promise<void> {
  const halfDone = temporaryFolder(root, OLD);
  try {
    await rename(join(root, hostname), halfDone);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await rm(halfDone, { recursive: true, force: true });
}

/** The hostnames that have a folder, sorted. */
export async function listVmFolders({ root }: LocalPaths): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isDirectory() && isHostname(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** Removes what a crash left of a creation or a removal. */
export async function removeHalfDone({ root }: LocalPaths): Promise<void> {
  for (const name of await readdir(root)) {
    if (name.startsWith(NEW) || name.startsWith(OLD))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

function temporaryFolder(root: string, prefix: string): string {
  return join(root, prefix + randomBytes(8).toString('hex'));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

// The folder of a local VM and its vm file, machine.json: everything that is needed to start the VM again. Folders are
// created and removed by one rename, so that a crash leaves a whole folder or none.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readSshKeyPair } from '../../ssh/key-pair.ts';
import type { SshAccess } from '../provider.ts';

/** Absolute paths. Entries of `root` that start with a dot are no VMs, because no hostname does. */
export type LocalPaths = {
  /** Contains one folder per VM. */
  readonly root: string;
  /** Codes that the start-host simulator was given, one empty file each. */
  readonly usedCodes: string;
  /** Compiled code, shared by all VMs: they start three times as fast with it. */
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

export type VmFile = {
  readonly version: typeof VERSION;
  readonly hostname: string;
  /** The bearer token of the agent. */
  readonly token: string;
  /** The launch that created the VM. */
  readonly operationId: string;
  readonly allocatorUrl: string;
  /** The VM is in use while one of its processes has this in its command line; null = not reported. */
  readonly software: string | null;
  readonly sshUser: string;
  /** The last port, used again if it is free; null before the first start. */
  readonly sshPort: number | null;
  /** A private key in OpenSSH's format. */
  readonly sshHostKey: string;
  /** The only key that may log in: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** Null before the first start. */
  readonly provisioningSeconds: number | null;
};

const VERSION = 1;
const TEXTS = [
  'hostname',
  'token',
  'operationId',
  'allocatorUrl',
  'sshUser',
  'sshHostKey',
  'authorizedKey',
] as const satisfies readonly (keyof VmFile)[];
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const NEW = '.new-';
const OLD = '.old-';

/** Undefined if the file is missing or damaged. */
export async function readVmFile(path: string): Promise<VmFile | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isVmFile(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Without a schema library: every VM is a process that reads this and must stay small. */
export function isVmFile(content: unknown): content is VmFile {
  if (typeof content !== 'object' || content === null) return false;
  const fields = new Map<string, unknown>(Object.entries(content));
  const isText = (key: string): boolean => typeof fields.get(key) === 'string' && fields.get(key) !== '';
  const isNumber = (key: string): boolean => typeof fields.get(key) === 'number';
  const isNull = (key: string): boolean => fields.get(key) === null;
  return (
    fields.get('version') === VERSION &&
    TEXTS.every(isText) &&
    (isText('software') || isNull('software')) &&
    ['sshPort', 'provisioningSeconds'].every((key) => isNumber(key) || isNull(key))
  );
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

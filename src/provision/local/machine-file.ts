// machine.json: what is needed to start a local VM again. Written by the allocator, read by it and by the machine.
// Read by hand, not by a schema library: every machine is a process, and must stay small.
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';

export type MachineFile = {
  readonly version: typeof VERSION;
  readonly hostname: string;
  /** What its agent sends as its bearer token. */
  readonly token: string;
  /** The launch that made it. */
  readonly operationId: string;
  readonly allocatorUrl: string;
  /** In use = a process of this machine with this in its command line; null = not reported. */
  readonly software: string | null;
  readonly sshUser: string;
  /** The port that it had last, and takes again where it is free; null before its first start. */
  readonly sshPort: number | null;
  /** Its private key, in OpenSSH's format. */
  readonly sshHostKey: string;
  /** The one key that may enter: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** How long its making took; null before its first start. */
  readonly provisioningSeconds: number | null;
};

const VERSION = 1;
const FILE_MODE = 0o600;

/** The machine that a file describes; undefined where it is not there or says something else. */
export async function readMachineFile(path: string): Promise<MachineFile | undefined> {
  try {
    const content: unknown = JSON.parse(await readFile(path, 'utf8'));
    return parseMachineFile(content);
  } catch {
    return undefined;
  }
}

/** Whole or not at all. */
export async function writeMachineFile(path: string, machine: MachineFile): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    {
      await using file = await open(temporary, 'wx', FILE_MODE);
      await file.writeFile(`${JSON.stringify(machine, undefined, 2)}\n`);
      await file.sync();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The machine that a parsed file describes; undefined where anything is missing or of another kind. */
export function parseMachineFile(content: unknown): MachineFile | undefined {
  if (typeof content !== 'object' || content === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(content));
  const hostname = text(fields.get('hostname'));
  const token = text(fields.get('token'));
  const operationId = text(fields.get('operationId'));
  const allocatorUrl = text(fields.get('allocatorUrl'));
  const sshUser = text(fields.get('sshUser'));
  const sshHostKey = text(fields.get('sshHostKey'));
  const authorizedKey = text(fields.get('authorizedKey'));
  if (fields.get('version') !== VERSION || !hostname || !token || !operationId || !allocatorUrl) {
    return undefined;
  }
  if (!sshUser || !sshHostKey || !authorizedKey) return undefined;
  return {
    version: VERSION,
    hostname,
    token,
    operationId,
    allocatorUrl,
    software: text(fields.get('software')) ?? null,
    sshUser,
    sshPort: count(fields.get('sshPort')),
    sshHostKey,
    authorizedKey,
    provisioningSeconds: count(fields.get('provisioningSeconds')),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function count(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null;
}

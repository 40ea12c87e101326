// The folders of local VMs: made and removed by one rename, so that a machine is there or not, whenever we are killed.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeMachineFile, type MachineFile } from './machine-file.ts';
import { isHostname, machinePlaces, type LocalPlaces } from './places.ts';

const NEW = '.new-';
const OLD = '.old-';
const FOLDER_MODE = 0o700;

/** Makes a machine's folder. Rejects where there is one already. */
export async function makeMachineFolder({ root }: LocalPlaces, machine: MachineFile): Promise<void> {
  const halfMade = besides(root, NEW);
  try {
    await mkdir(halfMade, { mode: FOLDER_MODE });
    await writeMachineFile(machinePlaces(halfMade).machineFile, machine);
    await rename(halfMade, join(root, machine.hostname));
  } finally {
    await rm(halfMade, { recursive: true, force: true });
  }
}

/** Removes a machine's folder, if it is there. Its processes must have ended. */
export async function removeMachineFolder({ root }: LocalPlaces, hostname: string): Promise<void> {
  const halfGone = besides(root, OLD);
  try {
    await rename(join(root, hostname), halfGone);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  await rm(halfGone, { recursive: true, force: true });
}

/** The hostnames that have a folder, in order. */
export async function listMachineFolders({ root }: LocalPlaces): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(ignoreMissing);
  return entries
    .filter((entry) => entry.isDirectory() && isHostname(entry.name))
    .map(({ name }) => name)
    .sort();
}

/** Removes what a making or a removal left when we were killed in it. */
export async function removeHalfDone({ root }: LocalPlaces): Promise<void> {
  for (const name of await readdir(root)) {
    if (name.startsWith(NEW) || name.startsWith(OLD))
      await rm(join(root, name), { recursive: true, force: true });
  }
}

function besides(root: string, prefix: string): string {
  return join(root, prefix + randomBytes(8).toString('hex'));
}

function ignoreMissing(error: unknown): never[] {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
  throw error;
}

// What a Pulumi state contains, and the file that stores it: whether it can be read, and the copy beside it.
import { access, copyFile, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import type { EngineState } from './messages.ts';
import { resourceName } from './reduce-event.ts';

export const EMPTY_STATE: EngineState = { machines: [], others: [], pending: [] };

const deploymentSchema = z.object({
  resources: z.array(z.object({ urn: z.string(), type: z.string(), id: z.string().optional() })).nullish(),
  pending_operations: z.array(z.object({ resource: z.object({ urn: z.string() }) })).nullish(),
});
const fileSchema = z.object({ checkpoint: z.object({ latest: deploymentSchema.nullish() }) });

/** Only names and ids: the deployment contains secrets. */
export function readDeployment(deployment: unknown, machineType: string): EngineState {
  const { resources, pending_operations: pending } = deploymentSchema.parse(deployment ?? {});
  const all = resources ?? [];
  const isMachine = ({ type, id }: (typeof all)[number]) => type === machineType && id !== undefined;
  const machines = all.filter(isMachine);
  return {
    machines: machines.map(({ urn, id = '' }) => ({ hostname: resourceName(urn), instanceId: id })),
    others: all.filter((entry) => !isMachine(entry)).map(({ type, id = '' }) => ({ type, id })),
    pending: (pending ?? []).map(({ resource }) => resource.urn),
  };
}

export function machineUrnsOf(deployment: unknown, machineType: string): string[] {
  const { resources } = deploymentSchema.parse(deployment ?? {});
  return (resources ?? []).flatMap(({ urn, type }) => (type === machineType ? [urn] : []));
}

export type StateFile =
  | { readonly kind: 'missing' }
  | { readonly kind: 'readable' }
  | {
      /** Empty or cut short, as a loss of power leaves it: Pulumi can neither use nor destroy it. */
      readonly kind: 'unreadable';
      readonly path: string;
      /** What Pulumi stored just before, if it can be read. */
      readonly backup: EngineState | null;
    };

/** Where Pulumi keeps the previous version of a state. */
export const backupOf = (path: string): string => `${path}.bak`;

/** @param path null if the state is not on a disk of this server: then only Pulumi can tell */
export async function inspectStateFile(path: string | null, machineType: string): Promise<StateFile> {
  if (path === null) return { kind: 'readable' };
  const isMissing = await access(path).then(
    () => false,
    () => true,
  );
  if (isMissing) return { kind: 'missing' };
  if ((await readStateFile(path, machineType)) !== null) return { kind: 'readable' };
  return { kind: 'unreadable', path, backup: await readStateFile(backupOf(path), machineType) };
}

/** Null if it is no state. A file that cannot be opened is reported by Pulumi. */
async function readStateFile(path: string, machineType: string): Promise<EngineState | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const read = fileSchema.safeParse(JSON.parse(text));
    return read.success ? readDeployment(read.data.checkpoint.latest, machineType) : null;
  } catch {
    return null;
  }
}

/** Nothing is deleted: an unreadable state may still help somebody. @returns its new path */
export async function setAside(path: string, now: Date): Promise<string> {
  const aside = `${path}.unreadable-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  await rename(path, aside);
  return aside;
}

/** @returns the new path of the unreadable file */
export async function restoreBackup(path: string, now: Date): Promise<string> {
  const aside = await setAside(path, now);
  await copyFile(backupOf(path), path);
  return aside;
}

// Whose state it is: a file next to the state names the uid, the region and the account of the deployment that uses it.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { textInBucket, type SharedText } from './bucket-check.ts';

const stateOwner = z.object({ uid: z.string(), region: z.string(), account: z.string() });
type StateOwner = z.output<typeof stateOwner>;

/** The owner of a state, next to it. */
export type OwnerStore = {
  /** Null = nothing was launched with this state. Throws CloudError, or the errors of the file system. */
  read(): Promise<StateOwner | null>;
  write(owner: StateOwner): Promise<void>;
};

/** @param folder of the state if it is neither in a bucket nor somewhere else */
export function ownerStore(
  backendUrl: string,
  stackFile: string | null,
  folder: string,
  name: string,
): OwnerStore {
  const file = join(stackFile === null ? folder : join(dirname(stackFile), '../../..'), name);
  const text = textInBucket(backendUrl, name) ?? textInFile(file);
  return {
    read: async () => ownerIn(await text.read()),
    write: (owner) => text.write(`${JSON.stringify(owner)}\n`),
  };
}

/** A text that was cut off is nobody's: the next launch writes it again. */
function ownerIn(stored: string | null): StateOwner | null {
  try {
    return stateOwner.safeParse(JSON.parse(stored ?? 'null')).data ?? null;
  } catch {
    return null;
  }
}

function textInFile(path: string): SharedText {
  return {
    read: () =>
      readFile(path, 'utf8').catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }),
    write: async (text) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // Atomic: half an owner would be nobody's.
      await writeFile(`${path}.tmp`, text, { mode: 0o600, flush: true });
      await rename(`${path}.tmp`, path);
    },
  };
}

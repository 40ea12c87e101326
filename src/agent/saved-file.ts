// A file of the agent's own, replaced as a whole: a reader finds the old content or the new one, also after a power cut.
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type * as z from 'zod';
import type { ErrorLog } from './error-log.ts';
import { jsonText } from './json.ts';

/** For its owner only: it names participants' files and assignments. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

export type SavedFile<T> = {
  /** Null if there is none, or none that can be read; then it is renamed and logged. */
  readonly read: () => Promise<T | null>;
  /** Resolves when the content is on disk, or could not be written, which is logged. Calls must not overlap. */
  readonly write: (content: T) => Promise<void>;
};

/** @param what for the log: "the saved state" */
export function savedFile<T>(
  path: string,
  schema: z.ZodType<T>,
  what: string,
  errors: ErrorLog,
): SavedFile<T> {
  return {
    read: async () => {
      const text = await readOrNull(path);
      if (text === null) return null;
      const { data } = jsonText.pipe(schema).safeParse(text);
      if (data !== undefined) return data;
      await rename(path, `${path}.unreadable`);
      errors.report(`reading ${what}`, `${path} is damaged and was renamed to ${path}.unreadable`);
      return null;
    },
    write: async (content) => {
      try {
        await replaceFile(path, `${JSON.stringify(content)}\n`);
        errors.resolve(`writing ${what}`);
      } catch (error) {
        errors.report(`writing ${what}`, String(error));
      }
    },
  };
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
}

async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  const handle = await open(fresh, 'w', FILE_MODE);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, path);
  await syncFolder(dirname(path));
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

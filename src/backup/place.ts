// Where backups are kept: a folder, or a prefix in a bucket of S3. A backup appears there whole, under its name, or not at all.
import { createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { loadInstalled } from '../provision/providers.ts';
import { BackupFault } from './fault.ts';

export type BackupPlace = {
  /** Where the backup of this name is, for people. */
  readonly addressOf: (name: string) => string;
  /** Calls `write` with a stream, which it ends. Returns the number of bytes. */
  readonly put: (name: string, write: (out: Writable) => Promise<void>) => Promise<number>;
  readonly list: () => Promise<readonly string[]>;
  readonly remove: (name: string) => Promise<void>;
  readonly read: (name: string) => Promise<Readable>;
};

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const CHUNK_BYTES = 262_144;
const UNFINISHED = '.unfinished';
/** Nobody has written to it for so long. */
const LEFT_OVER_MS = 3_600_000;
/** Of the names of backups. */
export const EXTENSION = '.tar.zst.age';

/** @param place a folder, or s3://bucket/prefix. Throws BackupFault where its packages are not installed. */
export async function openPlace(place: string): Promise<BackupPlace> {
  if (!place.startsWith('s3://')) return folderPlace(place);
  const loaded = await loadInstalled(async () => {
    const { bucketPlace, loadClient } = await import('./bucket.ts');
    await loadClient();
    return bucketPlace;
  });
  if (!loaded.ok) throw new BackupFault(loaded.failure);
  return loaded.value(place);
}

/** The place and the name in it of one backup. */
export function splitAddress(address: string): { readonly place: string; readonly name: string } {
  if (!address.startsWith('s3://')) return { place: dirname(address), name: basename(address) };
  const [path = '', query] = address.split('?', 2);
  const at = path.lastIndexOf('/');
  return { place: path.slice(0, at) + (query === undefined ? '' : `?${query}`), name: path.slice(at + 1) };
}

function folderPlace(folder: string): BackupPlace {
  return {
    addressOf: (name) => join(folder, name),
    put: async (name, write) => {
      await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
      await removeLeftOver(folder);
      const path = join(folder, name);
      const unfinished = `${path}${UNFINISHED}`;
      try {
        await write(createWriteStream(unfinished, { flags: 'w', mode: FILE_MODE, flush: true }));
        // Unlike a rename, it does not replace another backup.
        await link(unfinished, path);
      } catch (error) {
        throw codeOf(error) === 'EEXIST' ? alreadyThere(path) : error;
      } finally {
        await rm(unfinished, { force: true });
      }
      await using opened = await open(folder);
      await opened.sync();
      return (await stat(path)).size;
    },
    list: async () => {
      const names = await readdir(folder).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return [];
        throw error;
      });
      return names.filter((name) => !name.endsWith(UNFINISHED));
    },
    remove: (name) => rm(join(folder, name), { force: true }),
    read: async (name) => {
      const file = await open(join(folder, name));
      return file.createReadStream({ highWaterMark: CHUNK_BYTES });
    },
  };
}

/** What processes that were killed have left. */
async function removeLeftOver(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(`${EXTENSION}${UNFINISHED}`)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && found.mtimeMs < Date.now() - LEFT_OVER_MS) await rm(path, { force: true });
  }
}

/** Before hours are spent on it. */
export function alreadyThere(path: string): BackupFault {
  return new BackupFault({
    code: 'exists',
    message: `There is ${path} already.`,
    remedy: 'Choose another name, or move it away.',
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

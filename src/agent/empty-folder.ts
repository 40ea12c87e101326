// Deletes everything in a folder, but not the folder. Links are deleted, never followed, even if one replaces a folder at
// that very moment. What is mounted in the folder stays.
import { chmod, constants, open, readdir, rmdir, unlink, type FileHandle } from 'node:fs/promises';

export type EmptiedFolder = {
  /** Null: not counted. */
  readonly removed: number | null;
  /** The first few that could not be deleted; none: the folder is empty now, except for mounts. */
  readonly failures: readonly string[];
};

type Emptying = { removed: number; readonly failures: string[]; device: number | null };

/** Names are bytes, and may be no text. `shown` is for people. */
type Item = { readonly path: Buffer; readonly shown: string };

const FAILURES_LISTED = 5;
const OWNER_MAY_ALL = 0o700;
const AS_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SEPARATOR = Buffer.from('/');

/** Continues when something cannot be deleted. A folder that does not exist is empty; a folder that is a link is refused. */
export async function emptyFolder(folder: string): Promise<EmptiedFolder> {
  const emptying: Emptying = { removed: 0, failures: [], device: null };
  const item = { path: Buffer.from(folder), shown: folder };
  try {
    await emptyHandle(item, emptying);
  } catch (error) {
    note(emptying, item, error);
  }
  return { removed: emptying.removed, failures: emptying.failures };
}

/** Whether the folder is empty now. */
async function emptyHandle(item: Item, emptying: Emptying): Promise<boolean> {
  const handle = await openFolder(item.path);
  try {
    const { dev, mode } = await handle.stat();
    emptying.device ??= dev;
    if (dev !== emptying.device) return false;
    if ((mode & OWNER_MAY_ALL) !== OWNER_MAY_ALL) await handle.chmod(mode | OWNER_MAY_ALL);
    const held = heldPath(handle, item.path);
    let isEmpty = true;
    for (const entry of await readdir(held, { withFileTypes: true, encoding: 'buffer' })) {
      const path = Buffer.concat([held, SEPARATOR, entry.name]);
      const inside = { path, shown: `${item.shown}/${entry.name.toString()}` };
      isEmpty = (await remove(inside, entry.isDirectory(), emptying)) && isEmpty;
    }
    return isEmpty;
  } finally {
    await handle.close();
  }
}

/** Whether it is gone. */
async function remove(item: Item, isFolder: boolean, emptying: Emptying): Promise<boolean> {
  try {
    if (!isFolder) await unlink(item.path);
    else if (!(await emptyHandle(item, emptying))) return false;
    else await rmdir(item.path);
    emptying.removed += 1;
    return true;
  } catch (error) {
    return note(emptying, item, error);
  }
}

/** A folder without permissions for its owner is opened by name. That never happens to root, who must not trust a name. */
async function openFolder(path: Buffer): Promise<FileHandle> {
  try {
    return await open(path, AS_FOLDER);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
    await chmod(path, OWNER_MAY_ALL);
    return open(path, AS_FOLDER);
  }
}

/** On Linux the folder is reached through its open handle, whatever its name means by now. */
function heldPath(handle: FileHandle, path: Buffer): Buffer {
  return process.platform === 'linux' ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path;
}

/** Whether it is gone anyway. A file that is a mount stays, which is not a failure. */
function note(emptying: Emptying, item: Item, error: unknown): boolean {
  const code = codeOf(error);
  if (code === 'ENOENT') return true;
  if (code !== 'EBUSY' && emptying.failures.length < FAILURES_LISTED)
    emptying.failures.push(`${item.shown}: ${code}`);
  return false;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

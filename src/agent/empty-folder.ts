// Empties a folder: its contents, not itself. Links are removed, never followed, also where somebody puts one in the place
// of a folder at that very moment; what is mounted in it is left alone.
import { chmod, constants, open, readdir, rmdir, unlink, type FileHandle } from 'node:fs/promises';

export type EmptiedFolder = {
  /** Null = nobody has counted. */
  readonly removed: number | null;
  /** What could not be removed, the first few; empty = the folder is empty now, mounts aside. */
  readonly failures: readonly string[];
};

type Sweep = { removed: number; readonly failures: string[]; device: number | null };

/** Names are bytes: a participant may have given one that is no text. `shown` is for people. */
type Place = { readonly path: Buffer; readonly shown: string };

const FAILURES_TOLD = 5;
const OWNER_MAY_ALL = 0o700;
const AS_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SEPARATOR = Buffer.from('/');

/** Goes on where something cannot be removed. A folder that is not there is empty; one that is a link is refused. */
export async function emptyFolder(folder: string): Promise<EmptiedFolder> {
  const sweep: Sweep = { removed: 0, failures: [], device: null };
  const place = { path: Buffer.from(folder), shown: folder };
  try {
    await sweepFolder(place, sweep);
  } catch (error) {
    note(sweep, place, error);
  }
  return { removed: sweep.removed, failures: sweep.failures };
}

/** True where the folder is empty now. */
async function sweepFolder(place: Place, sweep: Sweep): Promise<boolean> {
  const handle = await openFolder(place.path);
  try {
    const { dev, mode } = await handle.stat();
    sweep.device ??= dev;
    if (dev !== sweep.device) return false;
    if ((mode & OWNER_MAY_ALL) !== OWNER_MAY_ALL) await handle.chmod(mode | OWNER_MAY_ALL);
    const held = heldPath(handle, place.path);
    let isEmpty = true;
    for (const entry of await readdir(held, { withFileTypes: true, encoding: 'buffer' })) {
      const path = Buffer.concat([held, SEPARATOR, entry.name]);
      const inside = { path, shown: `${place.shown}/${entry.name.toString()}` };
      isEmpty = (await remove(inside, entry.isDirectory(), sweep)) && isEmpty;
    }
    return isEmpty;
  } finally {
    await handle.close();
  }
}

/** True where it is gone. */
async function remove(place: Place, isFolder: boolean, sweep: Sweep): Promise<boolean> {
  try {
    if (!isFolder) await unlink(place.path);
    else if (!(await sweepFolder(place, sweep))) return false;
    else await rmdir(place.path);
    sweep.removed += 1;
    return true;
  } catch (error) {
    return note(sweep, place, error);
  }
}

/** A folder that its owner has closed is opened by name; only root is never refused, and root must not trust a name. */
async function openFolder(path: Buffer): Promise<FileHandle> {
  try {
    return await open(path, AS_FOLDER);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
    await chmod(path, OWNER_MAY_ALL);
    return open(path, AS_FOLDER);
  }
}

/** On Linux everything is done relative to the folder that is held open, whatever its name has come to mean. */
function heldPath(handle: FileHandle, path: Buffer): Buffer {
  return process.platform === 'linux' ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path;
}

/** True where nothing is wrong: it is gone already. A file that is a mount stays, and is no failure. */
function note(sweep: Sweep, place: Place, error: unknown): boolean {
  const code = codeOf(error);
  if (code === 'ENOENT') return true;
  if (code !== 'EBUSY' && sweep.failures.length < FAILURES_TOLD)
    sweep.failures.push(`${place.shown}: ${code}`);
  return false;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

// A lock between processes that the kernel gives back when its holder dies, however it dies. Node has no flock(); an
// exclusive transaction on an empty SQLite file is a POSIX record lock, on Linux and macOS, and also between containers
// that share a folder. The file holds no data and is never removed.
import { accessSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, explainFileError, refuse, type Failure } from './problem.ts';

export type FileLock = { release(): void };

/** Numbers of the user and group that a file is given to. */
export type Owner = { readonly uid: number; readonly gid: number };

/** `lock` is undefined where somebody else has it. */
export type FileLockResult = { readonly ok: true; readonly lock: FileLock | undefined } | Failure;

/** SQLITE_BUSY, the lower byte of a result code: https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const PRIMARY_CODE_MASK = 0xff;
const POLL_MS = 40;

/** Takes the lock if it is free. Fails where the file cannot be made or the disk cannot lock. */
export function tryFileLock(path: string, owner: Owner | undefined): FileLockResult {
  let database: DatabaseSync | undefined;
  try {
    createOnce(path, owner);
    accessSync(path, constants.R_OK | constants.W_OK);
    database = new DatabaseSync(path, { timeout: 0 });
    // In memory: no journal file beside it.
    database.exec('pragma journal_mode = memory; begin exclusive');
    const held = database;
    return { ok: true, lock: { release: () => held.close() } };
  } catch (error) {
    database?.close();
    const code = sqliteCode(error);
    if (code === undefined) return explainFileError(error, path, 'open its lock file');
    if (code === SQLITE_BUSY) return { ok: true, lock: undefined };
    return refuse(
      `The disk that holds ${path} cannot lock files (${String(error)}).`,
      'Set DATA_DIR to a folder on a local disk.',
    );
  }
}

/** Takes the lock, waiting for its holder up to `timeoutMs`; `lock` is undefined where that was not enough. */
export async function waitForFileLock(
  path: string,
  owner: Owner | undefined,
  timeoutMs: number,
): Promise<FileLockResult> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const tried = tryFileLock(path, owner);
    if (!tried.ok || tried.lock !== undefined || waitedMs >= timeoutMs) return tried;
    await delay(POLL_MS);
  }
}

/** Never opens a file that is there: closing any descriptor of a file gives up the process's record locks on it. */
function createOnce(path: string, owner: Owner | undefined): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    throw error;
  }
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error && 'errcode' in error && typeof error.errcode === 'number')) return undefined;
  return error.errcode & PRIMARY_CODE_MASK;
}

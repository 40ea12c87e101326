// A lock between processes that the kernel releases when its holder dies. Node has no flock(); an exclusive transaction
// on an empty SQLite file is a POSIX record lock, on Linux and macOS, and also between containers that share a folder.
// The file holds no data and is never removed.
import { accessSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { succeed, type Result } from '../../result.ts';
import { errorCode, explainFileError, refuse } from './failure.ts';

export type FileLock = { release(): void };

/** Numbers of the user and group who own a file. */
export type FileOwner = { readonly uid: number; readonly gid: number };

/** SQLITE_BUSY, the lower byte of a result code: https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const PRIMARY_CODE_MASK = 0xff;
const POLL_MS = 40;

/** Takes the lock if it is free; undefined where another process has it. Fails where the disk cannot lock. */
export function tryFileLock(path: string, owner: FileOwner | undefined): Result<FileLock | undefined> {
  let database: DatabaseSync | undefined;
  try {
    createOnce(path, owner);
    accessSync(path, constants.R_OK | constants.W_OK);
    database = new DatabaseSync(path, { timeout: 0 });
    // In memory: no journal file beside it.
    database.exec('pragma journal_mode = memory; begin exclusive');
    const held = database;
    return succeed({ release: () => held.close() });
  } catch (error) {
    database?.close();
    const code = sqliteCode(error);
    if (code === undefined) return explainFileError(error, path, 'open its lock file');
    if (code === SQLITE_BUSY) return succeed(undefined);
    return refuse(
      'wrong_files',
      `The disk with ${path} cannot lock files (${String(error)}).`,
      'Set DATA_DIR to a folder on a local disk.',
    );
  }
}

/** Takes the lock, waiting for its holder up to `timeoutMs`; undefined where that was not enough. */
export async function waitForFileLock(
  path: string,
  owner: FileOwner | undefined,
  timeoutMs: number,
): Promise<Result<FileLock | undefined>> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const tried = tryFileLock(path, owner);
    if (!tried.ok || tried.value !== undefined || waitedMs >= timeoutMs) return tried;
    await delay(POLL_MS);
  }
}

/** Never opens an existing file: closing any descriptor of a file releases all record locks of the process on it. */
function createOnce(path: string, owner: FileOwner | undefined): void {
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

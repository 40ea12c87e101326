// Keeps the server's log file small. Postgres appends to it through its own descriptor, so it is cut in place.
import { constants, copyFile, open, rm, type FileHandle } from 'node:fs/promises';

/** Above this size the log becomes `server.log.old`, of which there is one. */
export const LOG_LIMIT_BYTES = 4 * 1024 * 1024;

/** The size in bytes; 0 where there is no log yet. */
export async function logSize(path: string): Promise<number> {
  await using file = await openOwn(path, constants.O_RDONLY);
  return (await file?.stat())?.size ?? 0;
}

/** What was written from `offset` on, in bytes. */
export async function readLogFrom(path: string, offset: number): Promise<string> {
  await using file = await openOwn(path, constants.O_RDONLY);
  return (await file?.readFile())?.subarray(offset).toString('utf8') ?? '';
}

/** Moves the content to `<path>.old` when it is larger than `limitBytes`. Lines written meanwhile may be lost. */
export async function boundLog(path: string, limitBytes: number): Promise<void> {
  await using file = await openOwn(path, constants.O_RDWR);
  if (file === undefined || (await file.stat()).size <= limitBytes) return;
  await rm(`${path}.old`, { force: true });
  await copyFile(path, `${path}.old`, constants.COPYFILE_EXCL);
  await file.truncate(0);
}

/** Never through a link: the folder belongs to a user whom root does not trust. */
async function openOwn(path: string, flags: number): Promise<FileHandle | undefined> {
  return open(path, flags | constants.O_NOFOLLOW).catch(() => undefined);
}

// Keeps the server's log file small. Postgres appends to it through a descriptor of its own, so it is cut in place.
import { constants, copyFile, open, rm } from 'node:fs/promises';

/** Above this size the log becomes `server.log.old`, of which there is one. */
export const LOG_LIMIT_BYTES = 4 * 1024 * 1024;

/** The size in bytes; 0 where there is no log yet. */
export async function logSize(path: string): Promise<number> {
  const file = await openOwn(path, constants.O_RDONLY);
  if (file === undefined) return 0;
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

/** What was written from `offset` on, in bytes. */
export async function readLogFrom(path: string, offset: number): Promise<string> {
  const file = await openOwn(path, constants.O_RDONLY);
  if (file === undefined) return '';
  try {
    const text = await file.readFile();
    return text.subarray(offset).toString('utf8');
  } finally {
    await file.close();
  }
}

/** Moves what is there to `<path>.old` once it is larger than `limitBytes`. Lines written meanwhile may be lost. */
export async function boundLog(path: string, limitBytes: number): Promise<void> {
  const file = await openOwn(path, constants.O_RDWR);
  if (file === undefined) return;
  try {
    if ((await file.stat()).size <= limitBytes) return;
    await rm(`${path}.old`, { force: true });
    await copyFile(path, `${path}.old`, constants.COPYFILE_EXCL);
    await file.truncate(0);
  } finally {
    await file.close();
  }
}

/** Never through a link: the folder belongs to a user whom root does not trust. */
async function openOwn(path: string, flags: number): Promise<Awaited<ReturnType<typeof open>> | undefined> {
  try {
    return await open(path, flags | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
}

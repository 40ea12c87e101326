// The space of the disk on which the embedded database is: it is checked before the database would stop for want of it.
import { statfs } from 'node:fs/promises';
import type { Config } from '../config.ts';
import type { HealthCheck } from '../handlers/system.ts';

export type Disk = {
  /** Whether logs can be stored: they are refused first, so that assignments still can be. */
  readonly hasSpaceForLogs: () => Promise<boolean>;
  readonly check: HealthCheck;
};

export type DiskOptions = {
  readonly dataDir: string;
  readonly config: Pick<Config, 'database' | 'limits'>;
  /** In bytes. */
  readonly readFree?: ((folder: string) => Promise<number>) | undefined;
  readonly nowMs?: () => number;
};

/** The space is read at most this often. */
const FRESH_MS = 5_000;
const MB = 1_000_000;
/** Health warns while so many times the least space is free. */
const WARN_FACTOR = 2;

export function createDisk({
  dataDir,
  config: { database, limits },
  readFree = readFreeBytes,
  nowMs = () => performance.now(),
}: DiskOptions): Disk {
  const leastBytes = database.kind === 'embedded' ? limits.freeDiskMb * MB : 0;
  let last: { readonly free: Promise<number>; readonly at: number } | null = null;
  /** A disk that cannot be asked does not stop anything: the database itself will say what is wrong. */
  const free = (): Promise<number> => {
    if (last === null || nowMs() - last.at >= FRESH_MS)
      last = { free: readFree(dataDir).catch(() => Infinity), at: nowMs() };
    return last.free;
  };
  return {
    hasSpaceForLogs: async () => leastBytes === 0 || (await free()) >= leastBytes,
    check: {
      name: 'disk',
      isWarning: true,
      check: async () => {
        if (leastBytes === 0) return null;
        const bytes = await free();
        if (bytes >= leastBytes * WARN_FACTOR) return null;
        const left = `${Math.floor(bytes / MB)} MB are free on the disk of ${dataDir}.`;
        const effect =
          bytes < leastBytes
            ? 'The logs of machines are refused until there is more.'
            : `Below ${limits.freeDiskMb} MB (MIN_FREE_DISK_MB), the logs of machines are refused.`;
        return `${left} ${effect} Free space, or move the data folder.`;
      },
    },
  };
}

async function readFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

// A small disk (tmpfs) mounted on a folder, for tests of full and read-only disks. Needs Linux and root.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requirePart } from './required.ts';

export type SmallDisk = AsyncDisposable & {
  /** Uses all free space. */
  readonly fill: () => Promise<void>;
  readonly empty: () => Promise<void>;
  readonly allowWrites: (allowed: boolean) => void;
};

export function smallDisksAreThere(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'lablink-disk-'));
  try {
    mount(folder, '64k');
    unmount(folder);
    return true;
  } catch {
    return requirePart('A small disk', false, 'Run the tests as root on Linux, where tmpfs can be mounted.');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function mountSmallDisk(folder: string): Promise<SmallDisk> {
  await mkdir(folder, { recursive: true });
  mount(folder, '4m');
  const filler = join(folder, 'filler');
  return {
    fill: async () => {
      await using file = await open(filler, 'w');
      // The last writes are small, so that no byte remains free.
      for (const bytes of [65_536, 4_096, 1])
        for (;;) if (!(await wrote(file.write(Buffer.alloc(bytes))))) break;
    },
    empty: () => rm(filler, { force: true }),
    allowWrites: (allowed) => execFileSync('mount', ['-o', `remount,${allowed ? 'rw' : 'ro'}`, folder]),
    [Symbol.asyncDispose]: () => {
      unmount(folder);
      return Promise.resolve();
    },
  };
}

async function wrote(writing: Promise<unknown>): Promise<boolean> {
  return writing.then(
    () => true,
    () => false,
  );
}

function mount(folder: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'pipe' });
}

function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
}

// Where a test run has its temporary files: in memory where there is room for them. A clone of the template database is a thousand
// small files, which take ten times as much processor time on a disk's file system.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IN_MEMORY } from './leftovers.ts';

const GB = 1e9;
/** What a whole run has there at most, and what its programs need besides. */
const NEEDED = { room: 4 * GB, memory: 8 * GB };

/** A folder for TMPDIR, which every user may write to; null where the system's own is to be used. The caller removes it. */
export async function makeFolderInMemory(): Promise<string | null> {
  const { bavail, bsize } = await statfs(IN_MEMORY).catch(() => ({ bavail: 0, bsize: 0 }));
  if (bavail * bsize < NEEDED.room || process.availableMemory() < NEEDED.memory) return null;
  const folder = await mkdtemp(join(IN_MEMORY, `lablink-test-${process.pid}-`));
  // As /tmp: tests also run programs as other users.
  await chmod(folder, 0o1777);
  if (await runsPrograms(folder)) return folder;
  await rm(folder, { recursive: true });
  return null;
}

/** In a container it may be mounted without this. */
async function runsPrograms(folder: string): Promise<boolean> {
  const program = join(folder, 'program');
  await writeFile(program, '#!/bin/sh\n', { mode: 0o700 });
  const ran = await promisify(execFile)(program).then(
    () => true,
    () => false,
  );
  await rm(program);
  return ran;
}

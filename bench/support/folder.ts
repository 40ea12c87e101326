// A temporary data folder that the user who runs Postgres can reach. Its release stops any Postgres in it, and removes it.
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveDataDir } from '../../src/db/embedded/data-dir.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import type { Account } from '../../src/db/embedded/run-program.ts';
import type { Lifecycle } from '../../src/lifecycle.ts';

export type Folder = {
  /** For logs and sockets; contains `dataDir`. */
  readonly path: string;
  readonly dataDir: string;
  /** The user who runs Postgres; undefined: the user of this process. */
  readonly account: Account | undefined;
};

export function acquireFolder(lifecycle: Lifecycle): Promise<Folder> {
  return lifecycle.acquire('temporary folder', makeFolder, removeFolder);
}

async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(await realpath(tmpdir()), `lablink-bench-${process.pid}-`));
  // If root runs this, Postgres runs as another user, who must be able to pass through the folder.
  await chmod(path, 0o711);
  const wanted = join(path, 'data');
  const resolved = await resolveDataDir({ dataDir: wanted, env: process.env, platform: thisPlatform() });
  if (resolved.ok && resolved.value.dataDir === wanted)
    return { path, dataDir: wanted, account: resolved.value.account };
  if (resolved.ok) await rm(resolved.value.dataDir, { recursive: true });
  await rm(path, { recursive: true });
  throw new Error(
    resolved.ok
      ? `The user who runs Postgres cannot reach ${path}: set TMPDIR to a folder that all may pass.`
      : `${resolved.failure.message} ${resolved.failure.remedy}`,
  );
}

async function removeFolder({ path, dataDir }: Folder): Promise<void> {
  const left = await findPostmaster(pathsIn(dataDir).cluster);
  if (left !== undefined) process.kill(left.pid, 'SIGQUIT');
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

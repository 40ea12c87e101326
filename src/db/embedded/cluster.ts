// Creates the database files once: initdb into a folder beside, which is renamed into place when it is complete.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { succeed, type Failed, type Result } from '../../result.ts';
import { errorCode, explainFileError, explainOutput, refuse } from './failure.ts';
import type { FileOwner } from './file-lock.ts';
import { INCOMPLETE_PREFIX, pathsIn, type Context, type Paths } from './paths.ts';
import { runProgram } from './run-program.ts';

/** The superuser of the embedded server. */
export const DATABASE_USER = 'lablink';

const INITDB_TIMEOUT_MS = 120_000;
const PASSWORD_BYTES = 24;

/**
 * Creates the cluster where there is none, and refuses one that these programs cannot run. Call it under the start lock:
 * incomplete folders that it finds are left over from processes that died.
 */
export async function ensureCluster(
  context: Context,
  onOlder: (context: Context, major: number) => Promise<Result>,
): Promise<Result> {
  const { paths, binaries } = context;
  try {
    await removeIncomplete(paths.dataDir);
    await finishUpgrade(paths);
    const version = await orIfMissing(undefined, readFile(join(paths.cluster, 'PG_VERSION'), 'utf8'));
    if (version !== undefined && Number(version) < binaries.major)
      return await onOlder(context, Number(version));
    if (version !== undefined) return checkVersion(version.trim(), binaries.major, paths);
    if ((await orIfMissing([], readdir(paths.home))).length > 0) return notACluster(paths);
    return await createCluster(context);
  } catch (error) {
    return explainFileError(error, paths.home, 'create its data folder');
  }
}

async function orIfMissing<T, Missing>(missing: Missing, work: Promise<T>): Promise<T | Missing> {
  try {
    return await work;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return missing;
    throw error;
  }
}

function checkVersion(found: string, major: number, paths: Paths): Result {
  const { home, cluster } = paths;
  if (found === String(major)) return succeed(undefined);
  if (!/^\d+$/.test(found)) return notACluster(paths);
  return refuse(
    'wrong_files',
    `Postgres ${found} created the database in ${home}, which is newer than the Postgres ${major} of this allocator.`,
    `Start the version of the allocator that created it, run your own Postgres ${found} on ${cluster} and set DATABASE_URL, or move ${home} away to start with an empty database.`,
  );
}

/** The folder of a new cluster while rows are moved to it, and of the one that they came from. */
export function upgradePaths({ home }: Paths, major: number | string) {
  return { fresh: join(home, 'cluster.new'), old: join(home, `cluster-${major}`) };
}

/** After a crash between the two renames of an upgrade. */
async function finishUpgrade(paths: Paths): Promise<void> {
  const names: readonly string[] = await orIfMissing([], readdir(paths.home));
  const isBetween = names.some((name) => /^cluster-\d+$/.test(name)) && !names.includes('cluster');
  const { fresh } = upgradePaths(paths, '');
  if (isBetween && names.includes(basename(fresh))) await rename(fresh, paths.cluster);
}

function notACluster({ home }: Paths): Failed {
  return refuse(
    'wrong_files',
    `There is a folder ${home}, but it is not the database of an allocator.`,
    'Move it away, or set DATA_DIR to another folder.',
  );
}

async function createCluster(context: Context): Promise<Result> {
  const { paths, account, fileOwner } = context;
  const incomplete = pathsIn(paths.dataDir, `${INCOMPLETE_PREFIX}${randomBytes(6).toString('hex')}`);
  try {
    await makeFolder(incomplete.home, account === undefined ? 0o700 : 0o711, fileOwner);
    await makeFolder(incomplete.cluster, 0o700, account);
    await makeFolder(incomplete.logDir, 0o700, account);
    const password = randomBytes(PASSWORD_BYTES).toString('hex');
    await writeSecret(incomplete.password, password, fileOwner);
    const created = await runInitdb(incomplete, password, context);
    if (created.ok) await moveIntoPlace(incomplete, paths);
    return created;
  } finally {
    await rm(incomplete.home, { recursive: true, force: true });
  }
}

/** Creates the cluster in an empty folder; its password file is written beside it for a moment. */
export async function runInitdb(
  incomplete: Paths,
  password: string,
  { account, binaries, env, paths }: Context,
): Promise<Result> {
  const passwordFile = join(incomplete.home, 'initdb-password');
  await writeSecret(passwordFile, password, account);
  const ran = await runProgram(
    binaries.initdb,
    [
      `--pgdata=${incomplete.cluster}`,
      `--username=${DATABASE_USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ],
    { env, account, timeoutMs: INITDB_TIMEOUT_MS },
  );
  await rm(passwordFile);
  return ran.code === 0
    ? succeed(undefined)
    : explainOutput(ran.output, paths.home, 'create its data folder');
}

/** Where the place is taken, a process that our locks do not reach was quicker; its cluster is as good. */
async function moveIntoPlace(incomplete: Paths, paths: Paths): Promise<void> {
  try {
    await rename(incomplete.home, paths.home);
  } catch (error) {
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return;
    throw error;
  }
  await using folder = await open(paths.dataDir);
  await folder.sync();
}

async function removeIncomplete(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (name.startsWith(INCOMPLETE_PREFIX))
      await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

export async function makeFolder(path: string, mode: number, owner: FileOwner | undefined): Promise<void> {
  await mkdir(path);
  await chmod(path, mode);
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

async function writeSecret(path: string, secret: string, owner: FileOwner | undefined): Promise<void> {
  await writeFile(path, secret, { mode: 0o600, flag: 'wx' });
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

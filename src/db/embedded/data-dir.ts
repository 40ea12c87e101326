// Decides which folder holds the data, and creates it. As root it can be another one than was asked for, because the
// user of Postgres must be able to reach it.
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { succeed, type Result } from '../../result.ts';
import { canPass, chooseAccount } from './account.ts';
import { errorCode, explainFileError, refuse } from './failure.ts';
import { pathsIn } from './paths.ts';
import type { Platform } from './platform.ts';
import { programEnv, type Account } from './run-program.ts';

/** For a folder that is ours alone; and for one inside which another user has a folder. */
const PRIVATE_MODE = 0o700;
const PASSABLE_MODE = 0o711;
const KEY_CHARACTERS = 12;

export type DataDirOptions = {
  /** As configured; relative paths start at the working directory. */
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: Platform;
};

/** `dataDir` is absolute and free of links; `note`, where there is one, is a sentence to print at every start. */
export type DataDir = {
  readonly dataDir: string;
  readonly account: Account | undefined;
  readonly note?: string;
};

/**
 * Finds and creates the data folder, for the embedded Postgres and for everything else that the allocator keeps: call it
 * first. As root, a folder that the user of Postgres cannot reach (in a 0700 home) is replaced by one below
 * `platform.systemDir`, always the same for the same path. Called again with its answer it gives the same answer.
 */
export async function resolveDataDir(options: DataDirOptions): Promise<Result<DataDir>> {
  const wanted = resolve(options.dataDir);
  try {
    const existing = await nearestExisting(wanted);
    const real = join(await realpath(existing), wanted.slice(existing.length));
    return options.platform.uid === 0 ? await asRoot(real, options) : await asOurselves(real);
  } catch (error) {
    return explainFileError(error, wanted, 'create the data folder');
  }
}

async function asOurselves(dataDir: string): Promise<Result<DataDir>> {
  await makeFolder(dataDir, PRIVATE_MODE);
  await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  return succeed({ dataDir, account: undefined });
}

async function asRoot(wanted: string, { platform, ...options }: DataDirOptions): Promise<Result<DataDir>> {
  const env = programEnv(options.env);
  const chosen = await chooseAccount(platform, wanted, env);
  if (!chosen.ok) return chosen;
  const account = chosen.value;
  if (account === undefined) return asOurselves(wanted);
  const elsewhere = systemFolderFor(wanted, platform);
  const holdsData = await exists(pathsIn(wanted).home);
  const reachable = await makeReachable(wanted, account, env, holdsData);
  if (reachable && (holdsData || !(await exists(pathsIn(elsewhere).home)))) {
    await makeFolder(wanted, PASSABLE_MODE);
    return succeed({ dataDir: wanted, account });
  }
  if (holdsData) {
    return refuse(
      'unreachable',
      `The user ${account.name}, who runs Postgres because this process is root, cannot reach the database in ${wanted}.`,
      'Let every user pass through the folders above it (chmod o+x), or move it to such a place and set DATA_DIR.',
    );
  }
  return moveTo(elsewhere, { wanted, account, env, platform });
}

/** Where root keeps the data instead of a folder that the user of Postgres cannot reach. @param wanted free of links */
function systemFolderFor(wanted: string, { systemDir }: Platform): string {
  return join(systemDir, keyOf(wanted));
}

/** As `resolveDataDir`, but only looks: undefined where there is no data folder yet. */
export async function findDataDir({
  dataDir,
  platform,
}: Pick<DataDirOptions, 'dataDir' | 'platform'>): Promise<string | undefined> {
  const wanted = await realpath(dataDir).catch(() => resolve(dataDir));
  const folders = platform.uid === 0 ? [wanted, systemFolderFor(wanted, platform)] : [wanted];
  for (const needed of [(folder: string) => pathsIn(folder).home, (folder: string) => folder])
    for (const folder of folders) if (await exists(needed(folder)).catch(() => false)) return folder;
  return undefined;
}

type Move = {
  readonly wanted: string;
  readonly account: Account;
  readonly env: Record<string, string>;
  readonly platform: Platform;
};

async function moveTo(dataDir: string, { wanted, account, env, platform }: Move): Promise<Result<DataDir>> {
  await makeFolder(platform.systemDir, PASSABLE_MODE);
  await makeFolder(dataDir, PASSABLE_MODE);
  const chosen = await chooseAccount(platform, dataDir, env);
  if (!chosen.ok) return chosen;
  const because = `The user ${account.name}, who runs Postgres because this process is root, can`;
  if (!(await canPass(chosen.value, dataDir, env))) {
    return refuse(
      'unreachable',
      `${because} reach neither ${wanted} nor ${dataDir}.`,
      'Set DATA_DIR to a folder that every user can pass through (chmod o+x on the folders above it), or start as an ordinary user.',
    );
  }
  const note = `${because}not reach ${wanted}: all data is kept in ${dataDir} instead.`;
  return succeed({ dataDir, account: chosen.value, note });
}

/** Opens a folder for passing if it is empty or ours; anybody else's is left alone. */
async function makeReachable(
  dataDir: string,
  account: Account,
  env: Record<string, string>,
  isOurs: boolean,
): Promise<boolean> {
  const existing = await nearestExisting(dataDir);
  if (await canPass(account, existing, env)) return true;
  if (existing !== dataDir || !(await canPass(account, dirname(dataDir), env))) return false;
  if (!isOurs && (await readdir(dataDir)).length > 0) return false;
  await chmod(dataDir, PASSABLE_MODE);
  return canPass(account, dataDir, env);
}

/** Creates a folder with exactly this mode, and those above it; one that exists keeps its mode. */
async function makeFolder(path: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await mkdir(path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    throw error;
  }
  await chmod(path, mode);
}

/** Readable and stable: the last names of the path, and a hash that separates equal names. */
function keyOf(path: string): string {
  const names = path.split(sep).slice(-2).join('-');
  const hash = createHash('sha256').update(path).digest('hex').slice(0, KEY_CHARACTERS);
  return `${names.replaceAll(/[^A-Za-z0-9_-]/g, '')}-${hash}`;
}

async function nearestExisting(path: string): Promise<string> {
  return (await exists(path)) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

// Decides which folder really holds the data, and makes it. As root that can be another one than was asked for, because
// the user who runs Postgres must be able to reach it.
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { chooseAccount, mayAccess } from './account.ts';
import type { Machine } from './machine.ts';
import { placesIn } from './places.ts';
import { errorCode, explainFileError, refuse, type Failure } from './problem.ts';
import { programEnv, type Account } from './run-program.ts';

/** Closed, for a folder whose every user is us; passable but not readable, where another user has a folder inside. */
const PRIVATE_MODE = 0o700;
const PASSABLE_MODE = 0o711;
const KEY_CHARACTERS = 12;

export type DataDirOptions = {
  /** As configured; relative paths count from the working directory. */
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
};

/** `dataDir` is absolute and free of links; `note`, where there is one, is a sentence to print at every start. */
export type DataDir = {
  readonly ok: true;
  readonly dataDir: string;
  readonly account: Account | undefined;
  readonly note?: string;
};

/**
 * Finds and makes the data folder, for the embedded Postgres and for everything else that the allocator keeps: call it
 * first. As root, a folder that the user who runs Postgres cannot reach (in a 0700 home) is replaced by one below
 * `machine.systemDir`, always the same for the same path. Asking again with the answer gives the same answer.
 */
export async function resolveDataDir(options: DataDirOptions): Promise<DataDir | Failure> {
  const { machine } = options;
  const wanted = resolve(options.dataDir);
  try {
    const real = await realPathOf(wanted);
    return machine.uid === 0 ? await asRoot(real, options) : await asOurselves(real);
  } catch (error) {
    return explainFileError(error, wanted, 'make the data folder');
  }
}

async function asOurselves(dataDir: string): Promise<DataDir> {
  await mkdir(dirname(dataDir), { recursive: true });
  await makeFolder(dataDir, PRIVATE_MODE);
  await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  return { ok: true, dataDir, account: undefined };
}

async function asRoot(wanted: string, options: DataDirOptions): Promise<DataDir | Failure> {
  const { machine } = options;
  const childEnv = programEnv(options.env);
  const chosen = await chooseAccount(machine, wanted, childEnv);
  if (!chosen.ok || chosen.account === undefined) return chosen.ok ? asOurselves(wanted) : chosen;
  const { account } = chosen;
  const elsewhere = join(machine.systemDir, keyOf(wanted));
  const holdsData = await exists(placesIn(wanted).home);
  const reachable = await makeReachable(wanted, account, childEnv, holdsData);
  if (reachable && (holdsData || !(await exists(placesIn(elsewhere).home)))) {
    await mkdir(dirname(wanted), { recursive: true });
    await makeFolder(wanted, PASSABLE_MODE);
    return { ok: true, dataDir: wanted, account };
  }
  if (holdsData) return outOfReach(wanted, account);
  return moved(wanted, elsewhere, account, options);
}

async function moved(
  wanted: string,
  elsewhere: string,
  account: Account,
  { env, machine }: DataDirOptions,
): Promise<DataDir | Failure> {
  await mkdir(dirname(machine.systemDir), { recursive: true });
  await makeFolder(machine.systemDir, PASSABLE_MODE);
  await makeFolder(elsewhere, PASSABLE_MODE);
  const chosen = await chooseAccount(machine, elsewhere, programEnv(env));
  if (!chosen.ok) return chosen;
  if (!(await mayAccess(chosen.account, '-x', elsewhere, programEnv(env)))) {
    return refuse(
      `The user ${account.name}, who runs Postgres because this process is root, can reach neither ${wanted} nor ${elsewhere}.`,
      'Set DATA_DIR to a folder that every user can pass through (chmod o+x on the folders above it), or start as an ordinary user.',
    );
  }
  const note = `The user ${account.name}, who runs Postgres because the allocator was started as root, cannot reach ${wanted}: all data is kept in ${elsewhere} instead.`;
  return { ok: true, dataDir: elsewhere, account: chosen.account, note };
}

function outOfReach(dataDir: string, account: Account): Failure {
  return refuse(
    `The database in ${dataDir} cannot be reached by the user ${account.name}, who runs Postgres because this process is root.`,
    `Let every user pass through the folders above it (chmod o+x), or move it to such a place and set DATA_DIR.`,
  );
}

/** A folder that is empty or ours is opened for passing, as one that we make would be; anybody else's is left alone. */
async function makeReachable(
  dataDir: string,
  account: Account,
  env: Record<string, string>,
  ours: boolean,
): Promise<boolean> {
  const standing = await nearestExisting(dataDir);
  if (await mayAccess(account, '-x', standing, env)) return true;
  if (standing !== dataDir || !(await mayAccess(account, '-x', dirname(dataDir), env))) return false;
  if (!ours && (await readdir(dataDir)).length > 0) return false;
  await chmod(dataDir, PASSABLE_MODE);
  return mayAccess(account, '-x', dataDir, env);
}

/** Makes the last folder of a path with exactly this mode; one that is there keeps its own. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    throw error;
  }
  await chmod(path, mode);
}

/** Readable and stable: the folder's last names, then what tells apart two that are called the same. */
function keyOf(path: string): string {
  const names = path.split(sep).slice(-2).join('-');
  const hash = createHash('sha256').update(path).digest('hex').slice(0, KEY_CHARACTERS);
  return `${names.replaceAll(/[^A-Za-z0-9_-]/g, '')}-${hash}`;
}

async function realPathOf(path: string): Promise<string> {
  const standing = await nearestExisting(path);
  return join(await realpath(standing), path.slice(standing.length));
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

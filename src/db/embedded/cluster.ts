// Makes the database files once: initdb into a folder beside, which is renamed into place when it is complete.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from './context.ts';
import type { Owner } from './file-lock.ts';
import { HALF_MADE_PREFIX, placesIn, type Places } from './places.ts';
import { errorCode, explainFileError, explainOutput, refuse, type Failure } from './problem.ts';
import { runProgram } from './run-program.ts';

/** The superuser of the embedded server, and the database that the allocator uses. */
export const DATABASE_USER = 'lablink';

const INITDB_TIMEOUT_MS = 120_000;
const PASSWORD_BYTES = 24;

/**
 * Makes the cluster where there is none, and refuses one that these programs cannot run. Call it under the start lock:
 * half-made folders that it finds are leftovers of processes that died.
 */
export async function ensureCluster(context: Context): Promise<{ ok: true } | Failure> {
  const { places } = context;
  try {
    await removeHalfMade(places.dataDir);
    const found = await versionOf(places);
    if (found !== undefined) return checkVersion(found, context.binaries.major, places);
    if (await holdsAnything(places.home)) return notACluster(places);
    return await makeCluster(context);
  } catch (error) {
    return explainFileError(error, places.home, 'make its data folder');
  }
}

async function versionOf(places: Places): Promise<string | undefined> {
  try {
    return (await readFile(join(places.cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function checkVersion(found: string, major: number, { dataDir, home }: Places): { ok: true } | Failure {
  if (found === String(major)) return { ok: true };
  if (!/^\d+$/.test(found)) return notACluster({ dataDir, home });
  const relation = Number(found) > major ? 'newer than' : 'older than';
  return refuse(
    `The database in ${home} was made by Postgres ${found}, which is ${relation} the Postgres ${major} of this allocator.`,
    `Start the version of the allocator that made it, run a Postgres ${found} of yours on ${join(home, 'cluster')} and set DATABASE_URL, or move ${home} away to begin with an empty database.`,
  );
}

function notACluster({ home }: Pick<Places, 'dataDir' | 'home'>): Failure {
  return refuse(
    `There is a folder ${home}, but it is not the database of an allocator.`,
    'Move it away, or set DATA_DIR to another folder.',
  );
}

async function makeCluster(context: Context): Promise<{ ok: true } | Failure> {
  const { places, account, keeper } = context;
  const half = placesIn(places.dataDir, `${HALF_MADE_PREFIX}${randomBytes(6).toString('hex')}`);
  try {
    await makeFolder(half.home, account === undefined ? 0o700 : 0o711, keeper);
    await makeFolder(half.cluster, 0o700, account);
    await makeFolder(half.logDir, 0o700, account);
    const password = randomBytes(PASSWORD_BYTES).toString('hex');
    await writeSecret(half.password, password, keeper);
    const made = await runInitdb(half, password, context);
    if (!made.ok) return made;
    await moveIntoPlace(half, places);
    return { ok: true };
  } finally {
    await rm(half.home, { recursive: true, force: true });
  }
}

async function runInitdb(
  half: Places,
  password: string,
  { account, binaries, env, places }: Context,
): Promise<{ ok: true } | Failure> {
  const passwordFile = join(half.home, 'initdb-password');
  await writeSecret(passwordFile, password, account);
  const ran = await runProgram(
    binaries.initdb,
    [
      `--pgdata=${half.cluster}`,
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
  return ran.code === 0 ? { ok: true } : explainOutput(ran.output, places.home, 'make its data folder');
}

/** A rename that finds the place taken has met a process that our locks do not reach; its cluster is as good. */
async function moveIntoPlace(half: Places, places: Places): Promise<void> {
  try {
    await rename(half.home, places.home);
  } catch (error) {
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return;
    throw error;
  }
  const folder = await open(places.dataDir);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeHalfMade(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(HALF_MADE_PREFIX)) continue;
    await rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function holdsAnything(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length > 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function makeFolder(path: string, mode: number, owner: Owner | undefined): Promise<void> {
  await mkdir(path);
  await chmod(path, mode);
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

async function writeSecret(path: string, secret: string, owner: Owner | undefined): Promise<void> {
  await writeFile(path, secret, { mode: 0o600, flag: 'wx' });
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

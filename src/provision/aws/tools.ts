// Finds the Pulumi CLI and its AWS plugin, and checks their versions. Runs `pulumi version` once per file; installs
// nothing.
import { execFile } from 'node:child_process';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { fail, succeed, type Result } from '../../result.ts';
import type { ProvisionFailure } from '../provider.ts';

export type ToolFolders = {
  /** The configured folder that contains bin/pulumi. */
  readonly configured: string | undefined;
  /** Where `lablink setup` installs the CLI. */
  readonly own: string;
  /** Pulumi's own folder, with its plugins. */
  readonly pulumiHome: string;
  readonly path: string;
};

/** `cliRoot` contains bin/pulumi. */
export type Tools = Result<
  { readonly cliRoot: string },
  ProvisionFailure & { readonly missing: 'cli' | 'plugin' }
>;

export type ToolVersions = { readonly cli: string; readonly plugin: string };

const VERSION_TIMEOUT_MS = 20_000;
const SETUP = 'Run `make setup-aws` (or `lablink setup`) on this server, which installs both.';
const PLUGIN = 'pulumi-resource-aws';

/** The versions of the installed npm packages; read without loading them. */
export async function requiredVersions(): Promise<ToolVersions> {
  const require = createRequire(import.meta.url);
  const versionOf = async (name: string): Promise<string> => {
    const text = await readFile(require.resolve(`${name}/package.json`), 'utf8');
    return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
  };
  return { cli: await versionOf('@pulumi/pulumi'), plugin: await versionOf('@pulumi/aws') };
}

/** Caches the version of an unchanged file: reading it takes a fifth of a second. */
export function createToolFinder(folders: ToolFolders): () => Promise<Tools> {
  const versions = new Map<string, string>();
  const versionAt = async (file: string): Promise<string> => {
    const { mtimeMs, size } = await stat(file);
    const key = `${file} ${mtimeMs} ${size}`;
    const cached = versions.get(key);
    if (cached !== undefined) return cached;
    const version = await readVersion(file, folders.path);
    versions.set(key, version);
    return version;
  };
  return () => find(folders, versionAt);
}

async function find(folders: ToolFolders, versionAt: (file: string) => Promise<string>): Promise<Tools> {
  const required = await requiredVersions();
  const others: string[] = [];
  for (const root of rootsOf(folders)) {
    const file = join(root, 'bin/pulumi');
    if (!(await isExecutable(file))) continue;
    const version = await versionAt(file).catch((error: unknown) => String(error));
    if (version === required.cli) return withPlugin(folders, root, required.plugin);
    others.push(`${file} is version ${version}`);
  }
  const message =
    others.length === 0
      ? `The Pulumi CLI ${required.cli}, which creates machines on AWS, is not installed.`
      : `The Pulumi CLI ${required.cli} is required to create machines on AWS, but ${others.join(', ')}.`;
  return fail({ missing: 'cli', code: 'program', message, remedy: SETUP });
}

/** A configured folder excludes all others. On the PATH, only folders called `bin` count, as Pulumi's installer creates them. */
function rootsOf({ configured, own, path }: ToolFolders): string[] {
  if (configured !== undefined) return [configured];
  const onPath = path.split(delimiter).filter((folder) => /[/\\]bin$/.test(folder));
  return [own, ...onPath.map((folder) => folder.slice(0, -'/bin'.length) || '/')];
}

async function withPlugin(
  { pulumiHome, path }: ToolFolders,
  cliRoot: string,
  version: string,
): Promise<Tools> {
  const files = [
    join(pulumiHome, 'plugins', `resource-aws-v${version}`, PLUGIN),
    join(cliRoot, 'bin', PLUGIN),
    ...path
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => join(folder, PLUGIN)),
  ];
  for (const file of files) if (await isExecutable(file)) return succeed({ cliRoot });
  return fail({
    missing: 'plugin',
    code: 'program',
    message: `The AWS plugin of Pulumi (${PLUGIN} ${version}) is not installed.`,
    remedy: SETUP,
  });
}

async function readVersion(file: string, path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(file, ['version'], {
    timeout: VERSION_TIMEOUT_MS,
    env: { PULUMI_SKIP_UPDATE_CHECK: 'true', PATH: path },
  });
  return stdout.trim().replace(/^v/, '');
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

// Finds the Pulumi CLI and its plugin for a cloud, and checks their versions. Runs `pulumi version` once per file; installs
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

/** Pulumi's plugin for a cloud, and how both are installed. */
export type PluginSettings = {
  /** Pulumi's name of the cloud, such as `aws`. */
  readonly name: string;
  /** For people, such as `AWS`. */
  readonly label: string;
  /** The npm package with the same version as the plugin. */
  readonly package: string;
  /** A sentence. */
  readonly remedy: string;
};

export type ToolVersions = { readonly cli: string; readonly plugin: string };

const VERSION_TIMEOUT_MS = 20_000;

/** The versions of the installed npm packages; read without loading them. */
export async function requiredVersions(plugin: PluginSettings): Promise<ToolVersions> {
  const require = createRequire(import.meta.url);
  const versionOf = async (name: string): Promise<string> => {
    const text = await readFile(require.resolve(`${name}/package.json`), 'utf8');
    return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
  };
  return { cli: await versionOf('@pulumi/pulumi'), plugin: await versionOf(plugin.package) };
}

/** Caches the version of an unchanged file: reading it takes a fifth of a second. */
export function createToolFinder(folders: ToolFolders, plugin: PluginSettings): () => Promise<Tools> {
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
  return () => find(folders, plugin, versionAt);
}

async function find(
  folders: ToolFolders,
  plugin: PluginSettings,
  versionAt: (file: string) => Promise<string>,
): Promise<Tools> {
  const required = await requiredVersions(plugin);
  const others: string[] = [];
  for (const root of rootsOf(folders)) {
    const file = join(root, 'bin/pulumi');
    if (!(await isExecutable(file))) continue;
    const version = await versionAt(file).catch((error: unknown) => String(error));
    if (version === required.cli) return withPlugin(folders, plugin, root, required.plugin);
    others.push(`${file} is version ${version}`);
  }
  const message =
    others.length === 0
      ? `The Pulumi CLI ${required.cli}, which creates machines on ${plugin.label}, is not installed.`
      : `The Pulumi CLI ${required.cli} is required to create machines on ${plugin.label}, but ${others.join(', ')}.`;
  return fail({ missing: 'cli', code: 'program', message, remedy: plugin.remedy });
}

/** A configured folder excludes all others. On the PATH, only folders called `bin` count, as Pulumi's installer creates them. */
function rootsOf({ configured, own, path }: ToolFolders): string[] {
  if (configured !== undefined) return [configured];
  const onPath = path.split(delimiter).filter((folder) => /[/\\]bin$/.test(folder));
  return [own, ...onPath.map((folder) => folder.slice(0, -'/bin'.length) || '/')];
}

async function withPlugin(
  { pulumiHome, path }: ToolFolders,
  { name, label, remedy }: PluginSettings,
  cliRoot: string,
  version: string,
): Promise<Tools> {
  const program = `pulumi-resource-${name}`;
  const files = [
    join(pulumiHome, 'plugins', `resource-${name}-v${version}`, program),
    join(cliRoot, 'bin', program),
    ...path
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => join(folder, program)),
  ];
  for (const file of files) if (await isExecutable(file)) return succeed({ cliRoot });
  return fail({
    missing: 'plugin',
    code: 'program',
    message: `The ${label} plugin of Pulumi (${program} ${version}) is not installed.`,
    remedy,
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

// Where the engine's program and its plugin for AWS are, and whether they are the ones that this version is written for.
// Looks, and runs `pulumi version` once per file; brings nothing.
import { execFile } from 'node:child_process';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

export type ToolPlaces = {
  /** Named by the configuration; holds bin/pulumi. */
  readonly configured: string | undefined;
  /** Where the set-up command puts it. */
  readonly own: string;
  /** Of the engine: its plugins are below. */
  readonly pulumiHome: string;
  readonly path: string;
};

export type Tools =
  /** `cliRoot` holds bin/pulumi. */
  | { readonly ok: true; readonly cliRoot: string }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

export type ToolVersions = { readonly cli: string; readonly plugin: string };

const VERSION_TIMEOUT_MS = 20_000;
const SETUP = 'Run `make setup-aws` on this server (or `lablink setup`), which brings both.';
const PLUGIN = 'pulumi-resource-aws';

/** Those of the packages that the program is written with; read without loading them. */
export async function neededVersions(): Promise<ToolVersions> {
  const require = createRequire(import.meta.url);
  const versionOf = async (name: string): Promise<string> => {
    const text = await readFile(require.resolve(`${name}/package.json`), 'utf8');
    return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
  };
  return { cli: await versionOf('@pulumi/pulumi'), plugin: await versionOf('@pulumi/aws') };
}

/** Remembers the version of a file that has not changed: to ask it takes a fifth of a second. */
export function createToolFinder(places: ToolPlaces): () => Promise<Tools> {
  const versions = new Map<string, string>();
  const versionAt = async (file: string): Promise<string> => {
    const { mtimeMs, size } = await stat(file);
    const key = `${file} ${mtimeMs} ${size}`;
    const known = versions.get(key);
    if (known !== undefined) return known;
    const version = await askVersion(file, places.path);
    versions.set(key, version);
    return version;
  };
  return () => find(places, versionAt);
}

async function find(places: ToolPlaces, versionAt: (file: string) => Promise<string>): Promise<Tools> {
  const needed = await neededVersions();
  const others: string[] = [];
  for (const root of rootsOf(places)) {
    const file = join(root, 'bin/pulumi');
    if (!(await isExecutable(file))) continue;
    const version = await versionAt(file).catch((error: unknown) => String(error));
    if (version === needed.cli) return withPlugin(places, root, needed.plugin);
    others.push(`${file} is version ${version}`);
  }
  const problem =
    others.length === 0
      ? `The program pulumi ${needed.cli}, which makes machines on AWS, is not installed.`
      : `The program pulumi ${needed.cli} is needed to make machines on AWS; ${others.join(', ')}.`;
  return { ok: false, problem, remedy: SETUP };
}

/** One that is named counts alone. On the PATH: folders called `bin`, as its installer makes them. */
function rootsOf({ configured, own, path }: ToolPlaces): string[] {
  if (configured !== undefined) return [configured];
  const onPath = path.split(delimiter).filter((folder) => /[/\\]bin$/.test(folder));
  return [own, ...onPath.map((folder) => folder.slice(0, -'/bin'.length) || '/')];
}

async function withPlugin(
  { pulumiHome, path }: ToolPlaces,
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
  for (const file of files) if (await isExecutable(file)) return { ok: true, cliRoot };
  return {
    ok: false,
    problem: `The plugin of pulumi for AWS (${PLUGIN} ${version}) is not installed.`,
    remedy: SETUP,
  };
}

async function askVersion(file: string, path: string): Promise<string> {
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

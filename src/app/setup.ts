// `lablink setup`: brings the engine's program and its plugin for AWS into the data folder, at the versions that this
// program is written with. Never part of a request; where nothing can be downloaded, it says what to bring and where to.
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import type { Machine } from '../db/embedded/machine.ts';
import { startSession } from '../provision/aws/engine/session.ts';
import { awsFolders, defaultLimits } from '../provision/aws/context.ts';
import { createToolFinder, requiredVersions, type ToolVersions } from '../provision/aws/tools.ts';
import { engineEnvironment, toolFolders } from './engine-environment.ts';
import type { Environment, Refusal } from './environment.ts';

/** A download on a slow line. */
const LIMIT_MS = 20 * 60_000;
const SAID_MAX = 500;

export async function setUpAws(environment: Environment): Promise<{ readonly ok: true } | Refusal> {
  const { config, env, machine, say } = environment;
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, machine });
  if (!folder.ok) return { ok: false, problem: folder.problem.message, remedy: folder.problem.remedy };
  const folders = awsFolders(await realpath(folder.dataDir));
  const find = createToolFinder(toolFolders(environment, folders));
  const before = await find();
  if (before.ok) {
    say(`Pulumi and its plugin for AWS are there already: ${before.value.cliRoot}.`);
    return { ok: true };
  }
  const needed = await requiredVersions();
  say(`Installing Pulumi ${needed.cli} and its plugin for AWS ${needed.plugin} into ${folders.root} ...`);
  await mkdir(folders.pulumiHome, { recursive: true, mode: 0o700 });
  const limit = AbortSignal.timeout(LIMIT_MS);
  const session = await startSession({
    runsDir: folders.runs,
    env: engineEnvironment(env),
    cancelSignal: limit,
    killSignal: limit,
    timeouts: defaultLimits,
  });
  try {
    const workspace = {
      cliRoot: config.pulumi.cliDir ?? folders.cli,
      workDir: session.workDir,
      pulumiHome: folders.pulumiHome,
      // Nothing is kept there: a plugin is brought without a state.
      backendUrl: `file://${session.workDir}`,
      project: 'lablink-setup',
      stack: 'organization/lablink-setup/setup',
      secretsProvider: 'passphrase',
      passphrase: null,
      region: config.aws.region ?? 'us-east-1',
    };
    const result = await session.execute({ kind: 'install', workspace, pluginVersion: needed.plugin });
    const after = await find();
    if (result.kind === 'done' && after.ok) return { ok: true };
    const output = result.kind === 'failed' ? result.output : after.ok ? '' : after.failure.message;
    return byHand(output, workspace.cliRoot, folders.pulumiHome, { ...needed, ...machine });
  } finally {
    await session.end();
  }
}

function byHand(
  output: string,
  cliRoot: string,
  pulumiHome: string,
  { cli, plugin, os, arch }: ToolVersions & Pick<Machine, 'os' | 'arch'>,
): Refusal {
  const words = output.replaceAll(/\s+/g, ' ').trim().slice(0, SAID_MAX);
  return {
    ok: false,
    problem: `Pulumi ${cli} or its plugin for AWS ${plugin} could not be downloaded (${words}).`,
    remedy: [
      'Where this machine reaches no download, bring both from one that does:',
      `  1. the archive pulumi-v${cli}-${os}-${arch}.tar.gz (get.pulumi.com); its files belong into ${join(cliRoot, 'bin')}`,
      `  2. the archive pulumi-resource-aws-v${plugin}-${os}-${arch === 'x64' ? 'amd64' : arch}.tar.gz (get.pulumi.com/releases/plugins); its files belong into ${join(pulumiHome, 'plugins', `resource-aws-v${plugin}`)}`,
      'Then run this command again: it looks whether both are right.',
    ].join('\n'),
  };
}

// `lablink setup`: installs Pulumi and its plugin for AWS in the data folder, at the versions that the allocator requires.
// Where nothing can be downloaded, the failure says which files to copy, and where to.
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, succeed, type Failed } from '../../result.ts';
import type { SetUp } from '../definition.ts';
import { awsFolders, defaultLimits } from './context.ts';
import { startSession } from '../engine/session.ts';
import { createToolFinder, requiredVersions, type ToolVersions } from '../engine/tools.ts';
import { toolFolders } from './open.ts';
import { AWS_CLOUD, AWS_PLUGIN } from './pulumi.ts';

/** A download on a slow line. */
const LIMIT_MS = 20 * 60_000;
const OUTPUT_CHARACTERS = 500;

export const setUpAws: SetUp = async ({ config, dataDir, env, platform, say }) => {
  const folders = awsFolders(await realpath(dataDir));
  const find = createToolFinder(toolFolders(config.pulumi.cliDir, env, folders), AWS_PLUGIN);
  const before = await find();
  if (before.ok) {
    say(`Pulumi and its plugin for AWS are already installed: ${before.value.cliRoot}.`);
    return succeed(undefined);
  }
  const needed = await requiredVersions(AWS_PLUGIN);
  say(`Installing Pulumi ${needed.cli} and its plugin for AWS ${needed.plugin} into ${folders.root} ...`);
  await mkdir(folders.pulumiHome, { recursive: true, mode: 0o700 });
  const limit = AbortSignal.timeout(LIMIT_MS);
  const session = await startSession({
    runsDir: folders.runs,
    env,
    cancelSignal: limit,
    killSignal: limit,
    timeouts: defaultLimits,
  });
  try {
    const workspace = {
      cliRoot: config.pulumi.cliDir ?? folders.cli,
      workDir: session.workDir,
      pulumiHome: folders.pulumiHome,
      // Nothing is kept there: the installation of a plugin needs no state.
      backendUrl: `file://${session.workDir}`,
      project: 'lablink-setup',
      stack: 'organization/lablink-setup/setup',
      secretsProvider: 'passphrase',
      passphrase: null,
      cloud: AWS_CLOUD,
      env: {},
    };
    const result = await session.execute({ kind: 'install', workspace, pluginVersion: needed.plugin });
    const after = await find();
    if (result.kind === 'done' && after.ok) {
      say('Pulumi and its plugin for AWS are installed.');
      return succeed(undefined);
    }
    const output = result.kind === 'failed' ? result.output : after.ok ? '' : after.failure.message;
    return installByHand(output, workspace.cliRoot, folders.pulumiHome, { ...needed, ...platform });
  } finally {
    await session.end();
  }
};

function installByHand(
  output: string,
  cliRoot: string,
  pulumiHome: string,
  { cli, plugin, os, arch }: ToolVersions & Parameters<SetUp>[0]['platform'],
): Failed {
  const quote = output.replaceAll(/\s+/g, ' ').trim().slice(0, OUTPUT_CHARACTERS);
  return fail({
    code: 'not_downloaded',
    message: `Pulumi ${cli} or its plugin for AWS ${plugin} could not be downloaded (${quote}).`,
    remedy: [
      'If this computer cannot download them, copy both from one that can:',
      `  1. the archive pulumi-v${cli}-${os}-${arch}.tar.gz (get.pulumi.com); put its files into ${join(cliRoot, 'bin')}`,
      `  2. the archive pulumi-resource-aws-v${plugin}-${os}-${arch === 'x64' ? 'amd64' : arch}.tar.gz (get.pulumi.com/releases/plugins); put its files into ${join(pulumiHome, 'plugins', `resource-aws-v${plugin}`)}`,
      'Then run this command again: it checks both.',
    ].join('\n'),
  });
}

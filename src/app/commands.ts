// `lablink setup` and `lablink doctor`: what the providers have for them.
import { loadConfig, type ConfigResult } from '../config.ts';
import { inspectConfig } from '../config/inspect.ts';
import { variableNames } from '../config/read.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import type { CommandAnswer, DeployContext } from '../provision/definition.ts';
import { loadInstalled, providers } from '../provision/providers.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { loadOrCreateSecret } from '../secrets.ts';
import { helpOf } from './console.ts';
import type { AppContext } from './context.ts';
import { programEnvironment } from './fleet.ts';

const SECRET_BYTES = 18;
/** Not a setting of ours, but the clients of the cloud read it. */
const FOR_CLIENTS = 'AWS_REGION';

/** Sets up every provider that has something to set up. */
export async function setUp({ config, env, platform, say }: AppContext): Promise<Result> {
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, platform });
  if (!folder.ok) return folder;
  const { dataDir } = folder.value;
  for (const { setUp: command } of providers) {
    if (!command) continue;
    const loadedCommand = await loadInstalled(command.load);
    if (!loadedCommand.ok) return loadedCommand;
    const run = loadedCommand.value;
    const done = await run({ config, dataDir, env: programEnvironment(env), platform, say });
    if (!done.ok) return done;
  }
  return succeed();
}

/** Asks the provider that is configured, else the first that can answer. */
export async function runDoctor(
  args: readonly string[],
  loaded: ConfigResult,
  env: AppContext['env'],
): Promise<CommandAnswer> {
  const configured = loaded.ok ? loaded.value.config.provider : null;
  const able = providers.filter(({ doctor }) => doctor !== undefined);
  const command = (able.find(({ name }) => name === configured) ?? able[0])?.doctor;
  if (!command) return { text: 'No provider has checks.\n', exit: 'usage' };
  const run = await loadInstalled(command.load);
  if (!run.ok) return { text: `${describeFailure(run.failure)}\n`, exit: 'failed' };
  const answer = await run.value(args, loaded, env);
  return answer.exit === 'usage' ? { ...answer, text: `${answer.text}\n\n${helpOf('doctor')}` } : answer;
}

/** @param which of the two commands; both belong to the one provider that has them */
export async function runDeploy(
  which: 'deploy' | 'destroyDeployment',
  args: readonly string[],
  { config, env, platform, say }: AppContext,
  cancelSignal: AbortSignal,
): Promise<CommandAnswer> {
  const command = providers.find((provider) => provider[which] !== undefined)?.[which];
  if (!command) return { text: 'No provider can do this.\n', exit: 'usage' };
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, platform });
  if (!folder.ok) return { text: `${describeFailure(folder.failure)}\n`, exit: 'failed' };
  const run = await loadInstalled(command.load);
  if (!run.ok) return { text: `${describeFailure(run.failure)}\n`, exit: 'failed' };
  const { dataDir } = folder.value;
  return run.value(args, {
    ...{ config, dataDir, say, cancelSignal },
    env: programEnvironment(env),
    readSettings,
    keptSecret: (secretFolder, name) =>
      loadOrCreateSecret({ dataDir: secretFolder, name, bytes: SECRET_BYTES }),
  });
}

/** Of an allocator elsewhere. */
export const readSettings: DeployContext['readSettings'] = (env, files) => {
  const sources = { env, readFile: (path: string) => files[path], cwd: '/' };
  const unknown = Object.keys(env).filter((name) => !variableNames.includes(name) && name !== FOR_CLIENTS);
  const loaded = loadConfig(sources);
  const failures = [
    ...unknown.map((key) => ({
      ...{ key, code: 'unknown', message: 'There is no such setting.' },
      remedy: 'See `lablink help config`.',
    })),
    ...(loaded.ok ? [] : loaded.failure),
  ];
  if (!loaded.ok || failures.length > 0) return fail(failures);
  return succeed({ config: loaded.value.config, secrets: inspectConfig(sources).secrets });
};

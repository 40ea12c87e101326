// One run of `up`, `destroy` or `refresh`, from the lock to the last event.
import type { Backend } from './backend.ts';
import { createDeployment, type Deployment } from './deployment.ts';
import { diagnostic, openEvents, type EngineEvent } from './events.ts';
import { unsupported } from './failure.ts';
import type { Flags } from './flags.ts';
import { historyEntry } from './history.ts';
import { findPlugin, missingPlugin, startPlugin, type FoundPlugin, type Plugin } from './plugin.ts';
import { runProgram, serve, type Servers } from './program.ts';
import { LIMIT, createRandom, createScheduler } from './scheduler.ts';
import { openScreen } from './screen.ts';
import { passphraseOf } from './secrets.ts';
import { checkSettings, providerConfig, readConfig } from './settings.ts';
import { readSnapshot, writeSnapshot, type Snapshot } from './snapshot.ts';

/** The exit status after a second interrupt. */
const TERMINATED_STATUS = 8;

export type RunCommand = 'up' | 'destroy' | 'refresh';

/** Resolves with the exit status of the command. */
export async function run(
  command: RunCommand,
  flags: Flags,
  backend: Backend,
  env: NodeJS.ProcessEnv,
  print: (text: string) => void,
): Promise<number> {
  const client = flags.value('client');
  if (command === 'up' && client === undefined)
    throw unsupported('a program that is not inline (no --client)');
  backend.lock();
  try {
    return await runLocked(command, flags, backend, env, print, client);
  } finally {
    backend.unlock();
  }
}

async function runLocked(
  command: RunCommand,
  flags: Flags,
  backend: Backend,
  env: NodeJS.ProcessEnv,
  print: (text: string) => void,
  client: string | undefined,
): Promise<number> {
  const startedAt = Date.now();
  const { stack } = backend;
  const screen = openScreen(command, stack.name, stack.project, print);
  const passphrase = passphraseOf(env);
  checkSettings(stack, passphrase);
  const { snapshot, crypter } = readSnapshot(backend, passphrase);
  const events = openEvents(flags.value('event-log'), screen.show);
  let isOver = false;
  const save = () => {
    if (!isOver) writeSnapshot(backend, snapshot, crypter);
  };
  const send = (event: EngineEvent) => {
    if (!isOver) events.send(event);
  };
  const plugins = createPlugins(() => servers);
  const servers: Servers = await serve(stack, send, () => deployment);
  const limit = Number(env['LABLINK_ENGINE_LIMIT'] ?? flags.value('parallel') ?? LIMIT);
  const config = readConfig(stack);
  const deployment = createDeployment({
    ...{ project: stack.project, stack: stack.name, config: providerConfig(config), snapshot, save, send },
    scheduler: createScheduler(createRandom(Number(env['LABLINK_ENGINE_SEED'] ?? '1')), limit),
    findPlugin: (version) => findPlugin(version, env),
    plugin: plugins.get,
  });
  const end: { status: number | null } = { status: null };
  const terminated = listenToSignals(deployment, send, plugins, () => {
    isOver = true;
    end.status = TERMINATED_STATUS;
  });
  save();
  try {
    prepare(command, snapshot, send, env);
    if (command === 'refresh' && flags.has('clear-pending-creates')) snapshot.operations = [];
    const work = workOf(command, deployment, flags.values('target'), () =>
      runProgram(client ?? '', stack, { servers, config, limit }),
    );
    await Promise.race([Promise.race([work, deployment.stopped]).then(() => deployment.idle()), terminated]);
    deployment.finishOutputs();
    save();
  } catch (error) {
    deployment.stop('engine', error instanceof Error ? error.message : String(error));
  }
  const finalError = { step: 'update failed', cancelled: 'update canceled' }[String(deployment.stopReason())];
  const failed = deployment.stopReason() !== null;
  const seconds = Math.max(1, Math.ceil((Date.now() - startedAt) / 1000));
  const result = failed ? 'failed' : 'succeeded';
  isOver = true;
  if (finalError !== undefined) events.send(diagnostic('error', finalError));
  events.send(summary(deployment, seconds, result));
  events.send({ cancelEvent: {} });
  await events.end();
  await plugins.stop();
  servers.close();
  screen.close(deployment.changes, seconds);
  backend.addHistory(historyEntry(command, { flags, env, startedAt, result, changes: deployment.changes }));
  return end.status ?? (failed ? 1 : 0);
}

/** Before the first step: finds the plugin of the existing resources, and sends the prelude and the warnings. */
function prepare(
  command: RunCommand,
  snapshot: Snapshot,
  send: (event: EngineEvent) => void,
  env: NodeJS.ProcessEnv,
): void {
  const version = snapshot.resources.find(({ type }) => type === 'pulumi:providers:aws')?.inputs['version'];
  const found = typeof version === 'string' ? findPlugin(version, env) : null;
  if (typeof version === 'string' && !found) throw missingPlugin(version);
  const warn = () => {
    if (found?.ambient) send(diagnostic('warning', `using pulumi-resource-aws from $PATH at ${found.path}`));
  };
  warn();
  send({ preludeEvent: { config: {} } });
  if (command !== 'up') warn();
  if (command !== 'refresh' && snapshot.operations.length > 0)
    send(diagnostic('warning', pendingWarning(snapshot)));
  // Interrupted creates remain pending until `refresh --clear-pending-creates`; drop all other interrupted operations.
  snapshot.operations = snapshot.operations.filter(({ type }) => type === 'creating');
}

async function workOf(
  command: RunCommand,
  deployment: Deployment,
  targets: readonly string[],
  program: () => Promise<string | null>,
): Promise<void> {
  if (command === 'destroy') return deployment.deleteUnregistered(targets);
  if (command === 'refresh') return deployment.refresh();
  const error = await program();
  if (error !== null && deployment.stopReason() === null) deployment.stop('program', error);
}

function pendingWarning({ operations }: Snapshot): string {
  const list = operations.map(({ resource, type }) => `  * ${resource.urn}, interrupted while ${type}\n`);
  return (
    `Attempting to deploy or update resources with ${operations.length} pending operations from previous deployment.\n` +
    `${list.join('')}These resources are in an unknown state because the Pulumi CLI was interrupted while waiting for changes to these resources to complete. You should confirm whether or not the operations listed completed successfully by checking the state of the appropriate provider. For example, if you are using AWS, you can confirm using the AWS Console.\n\n` +
    'Once you have confirmed the status of the interrupted operations, you can repair your stack using `pulumi refresh` which will refresh the state from the provider you are using and clear the pending operations if there are any.\n\n' +
    'Note that `pulumi refresh` will need to be run interactively to clear pending CREATE operations.'
  );
}

function summary(deployment: Deployment, durationSeconds: number, result: string): EngineEvent {
  return {
    summaryEvent: {
      maybeCorrupt: false,
      durationSeconds,
      resourceChanges: deployment.changes,
      PolicyPacks: {},
      isPreview: false,
      result,
    },
  };
}

/** One plugin process for the whole run, started at its first use. */
function createPlugins(servers: () => Servers) {
  let started: Promise<Plugin> | null = null;
  let running: Plugin | null = null;
  return {
    get: (found: FoundPlugin): Promise<Plugin> => {
      started ??= startPlugin(found, servers().engine).then((plugin) => (running = plugin));
      return started;
    },
    cancel: () => running?.cancel(),
    stop: () => running?.stop() ?? Promise.resolve(),
  };
}

/** The first signal cancels the run: it ends after the current steps. Resolves at the second signal, which ends it at once. */
function listenToSignals(
  deployment: Deployment,
  send: (event: EngineEvent) => void,
  plugins: { readonly cancel: () => void },
  terminate: () => void,
): Promise<void> {
  const terminated = Promise.withResolvers<undefined>();
  let signals = 0;
  const handleSignal = () => {
    signals += 1;
    if (signals > 1) {
      terminate();
      terminated.resolve(undefined);
      return;
    }
    const message =
      '^C received; cancelling. If you would like to terminate immediately, press ^C again.\nNote that terminating immediately may lead to orphaned resources and other inconsistencies.\n';
    send({ stdoutEvent: { message, color: 'never' } });
    plugins.cancel();
    deployment.stop('cancelled');
  };
  process.on('SIGINT', handleSignal);
  process.on('SIGTERM', handleSignal);
  return terminated.promise;
}

// argv -> a command; signals; exit codes. Nothing else. Each command loads what it needs: a health check, every few seconds, is no
// server.
import { hostname } from 'node:os';
import process from 'node:process';
import { helpOf, USAGE } from './app/console.ts';
import type { AppContext } from './app/context.ts';
import { inspectConfigOfProcess, loadConfigFromProcess } from './config.ts';
import { renderFailures } from './config/failure.ts';
import { renderSettings } from './config/help.ts';
import { thisPlatform } from './db/embedded/platform.ts';
import { createLog } from './log.ts';
import { logDestination } from './log/console.ts';
import type { CommandAnswer } from './provision/definition.ts';
import type { Failure } from './result.ts';

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** The time that a second signal leaves for closing. */
const FORCE_GRACE_MS = 500;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The context, or null after printing what is wrong with the configuration. */
function readContext(): AppContext | null {
  const loaded = loadConfigFromProcess();
  if (!loaded.ok) {
    say(renderFailures(loaded.failure));
    return null;
  }
  const { config, warnings } = loaded.value;
  for (const warning of warnings) say(`Warning: ${warning}`);
  const { stdout } = process;
  return {
    config,
    env: process.env,
    platform: thisPlatform(),
    self: { pid: process.pid, host: hostname() },
    log: createLog({ level: config.logLevel, ...logDestination(config.logFormat, stdout) }),
    say,
  };
}

function failed({ message, remedy }: Failure, before = ''): number {
  say(`${before}${message}\n${remedy}`);
  return EXIT_FAILED;
}

async function serve(context: AppContext): Promise<number> {
  const { startAllocator } = await import('./app.ts');
  const started = await startAllocator(context);
  if (!started.ok) return failed(started.failure, 'LabLink cannot start: ');
  const allocator = started.value;
  const { promise: ended, resolve } = Promise.withResolvers<number>();
  let asked = false;
  let forced = false;
  const stop = (reason: string): void => {
    if (asked) {
      forced = true;
      say('Stopping at once.');
      allocator.kill(FORCE_GRACE_MS).catch(() => resolve(EXIT_FAILED));
      return;
    }
    asked = true;
    allocator.stop(reason).then(
      () => resolve(forced ? EXIT_FAILED : EXIT_OK),
      () => resolve(EXIT_FAILED),
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  allocator.lost.addEventListener('abort', () => stop(String(allocator.lost.reason)));
  return ended;
}

async function migrate(context: AppContext): Promise<number> {
  const { migrateOnly } = await import('./app.ts');
  const result = await migrateOnly(context);
  if (!result.ok) return failed(result.failure, 'LabLink cannot start: ');
  say('The schema is up to date.');
  return EXIT_OK;
}

type Check = (args: readonly string[]) => Promise<CommandAnswer>;

/** These report errors of the configuration themselves. */
const checks: Readonly<Record<string, Check>> = {
  doctor: async (args) =>
    args.some((arg) => arg === '--public' || arg.startsWith('--public='))
      ? (await import('./app/public-doctor.ts')).runPublicDoctor(args, loadConfigFromProcess())
      : (await import('./app/commands.ts')).runDoctor(args, loadConfigFromProcess(), process.env),
  'check-config': async (args) =>
    (await import('./app/checks.ts')).checkConfig(args, loadConfigFromProcess()),
  'support-bundle': async (args) =>
    (await import('./app/support-bundle.ts')).runSupportBundle(args, {
      loaded: loadConfigFromProcess(),
      inspected: inspectConfigOfProcess(),
      env: process.env,
      platform: thisPlatform(),
      now: new Date(),
    }),
  healthcheck: async (args) => (await import('./app/checks.ts')).healthcheck(args, loadConfigFromProcess()),
};

function print({ text, exit }: CommandAnswer): number {
  if (exit === 'usage') {
    say(text);
    return EXIT_USAGE;
  }
  process.stdout.write(text);
  return exit === 'ok' ? EXIT_OK : EXIT_FAILED;
}

/** `lablink deploy` and `lablink destroy-deployment`. The first Ctrl-C lets Pulumi finish what it has begun. */
function deployment(which: 'deploy' | 'destroyDeployment') {
  return async (context: AppContext, args: readonly string[]): Promise<number> => {
    const { runDeploy } = await import('./app/commands.ts');
    const cancelling = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => cancelling.abort());
    return print(await runDeploy(which, args, context, cancelling.signal));
  };
}

async function setup(context: AppContext): Promise<number> {
  const { setUp } = await import('./app/commands.ts');
  const result = await setUp(context);
  if (!result.ok) return failed(result.failure);
  return EXIT_OK;
}

/** For an admin who has to connect to a machine by hand: the key is sealed at rest. */
async function sshKey(context: AppContext): Promise<number> {
  const { readSshKey } = await import('./app/identity.ts');
  const result = await readSshKey(context);
  if (!result.ok) return failed(result.failure);
  process.stdout.write(result.value.privateKey);
  return EXIT_OK;
}

type Command = (context: AppContext, args: readonly string[]) => Promise<number>;

async function backups(
  context: AppContext,
  args: readonly string[],
  which: 'runBackup' | 'runRestore',
): Promise<number> {
  const commands = await import('./app/backup-commands.ts');
  const { text, exit } = await commands[which](context, args);
  say(text.trimEnd());
  if (exit === 'usage') return EXIT_USAGE;
  return exit === 'ok' ? EXIT_OK : EXIT_FAILED;
}

const withContext: Readonly<Record<string, Command>> = {
  backup: (context, args) => backups(context, args, 'runBackup'),
  restore: (context, args) => backups(context, args, 'runRestore'),
  serve,
  migrate,
  setup,
  'ssh-key': sshKey,
  deploy: deployment('deploy'),
  'destroy-deployment': deployment('destroyDeployment'),
};

/** Those check them themselves. */
const TAKE_ARGUMENTS: readonly string[] = ['backup', 'restore', 'deploy', 'destroy-deployment'];

function help(about: string | undefined): number {
  const text = about === undefined ? USAGE : about === 'config' ? renderSettings() : helpOf(about);
  if (text === null) return unknownCommand(about);
  process.stdout.write(text);
  return EXIT_OK;
}

function unknownCommand(name = ''): number {
  say(`There is no command "${name}". \`lablink help\` lists them.`);
  return EXIT_USAGE;
}

async function main(command: string | undefined, args: readonly string[]): Promise<number> {
  if (command === 'help' || command === '--help' || command === '-h' || command === undefined)
    return help(args[0]);
  if (args.includes('--help') || args.includes('-h')) return help(command);
  if (command === 'version' || command === '--version') {
    const { version } = await import('./version.ts');
    process.stdout.write(`${version}\n`);
    return EXIT_OK;
  }
  const check = checks[command];
  if (check !== undefined) return print(await check(args));
  const run = withContext[command];
  if (run === undefined) return unknownCommand(command);
  if (args.length > 0 && !TAKE_ARGUMENTS.includes(command)) {
    say(
      `\`lablink ${command}\` takes no arguments, not ${args.join(' ')}. Settings are environment variables: \`lablink help config\`.`,
    );
    return EXIT_USAGE;
  }
  const context = readContext();
  return context === null ? EXIT_FAILED : run(context, args);
}

process.exit(await main(process.argv[2], process.argv.slice(3)));

// argv -> serve | migrate | setup | ssh-key | doctor | help | version; signals; exit codes. Nothing else.
import { hostname } from 'node:os';
import process from 'node:process';
import { migrateOnly, startAllocator } from './app.ts';
import type { Environment } from './app/environment.ts';
import { DOCTOR_USAGE } from './app/doctor-usage.ts';
import { loadConfigFromProcess, type Config } from './config.ts';
import { renderFailures } from './config/failure.ts';
import { renderSettings } from './config/help.ts';
import { thisMachine } from './db/embedded/machine.ts';
import { createLog } from './log.ts';

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** What a second signal leaves to those who still close something. */
const FORCE_GRACE_MS = 500;

const USAGE = `LabLink Allocator: hands the machines of a workshop to the people who need them.

  lablink serve      start the allocator in the foreground (what \`make run\` does)
  lablink setup      bring Pulumi and its AWS plugin into the data folder (PROVIDER=aws)
  lablink migrate    bring the schema of the database up to date, and end
  lablink ssh-key    print the private key that enters the machines, for \`ssh-add -\`
${DOCTOR_USAGE}  lablink help       this text; \`lablink help config\` lists every setting
  lablink version    the version

Environment variables and a config file configure it: see \`lablink help config\` or docs/configuration.md.
`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function environmentOf(config: Config): Environment {
  return {
    config,
    env: process.env,
    machine: thisMachine(),
    self: { pid: process.pid, host: hostname() },
    log: createLog({ level: config.logLevel }),
    say,
  };
}

/** The config, or null after saying what is wrong with it. */
function readConfig(): Config | null {
  const loaded = loadConfigFromProcess();
  if (!loaded.ok) {
    say(renderFailures(loaded.failure));
    return null;
  }
  for (const warning of loaded.value.warnings) say(`Warning: ${warning}`);
  return loaded.value.config;
}

function refused({ problem, remedy }: { readonly problem: string; readonly remedy: string }): number {
  say(`LabLink cannot start: ${problem}\n${remedy}`);
  return EXIT_FAILED;
}

async function serve(config: Config): Promise<number> {
  const started = await startAllocator(environmentOf(config));
  if (!started.ok) return refused(started);
  const { allocator } = started;
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

async function migrate(config: Config): Promise<number> {
  const result = await migrateOnly(environmentOf(config));
  if (!result.ok) return refused(result);
  say('The schema is up to date.');
  return EXIT_OK;
}

/** Needs nothing set up: a configuration with faults is one of its findings. */
async function doctor(args: readonly string[]): Promise<number> {
  const { runDoctor } = await import('./app/doctor.ts');
  const { text, exit } = await runDoctor(args, loadConfigFromProcess(), process.env);
  if (exit === 'usage') {
    say(text);
    return EXIT_USAGE;
  }
  process.stdout.write(text);
  return exit === 'healthy' ? EXIT_OK : EXIT_FAILED;
}

async function setup(config: Config): Promise<number> {
  // Loaded late, as the clients of AWS are.
  const { setUpAws } = await import('./app/setup.ts');
  const result = await setUpAws(environmentOf(config));
  if (!result.ok) {
    say(`${result.problem}\n${result.remedy}`);
    return EXIT_FAILED;
  }
  say('Pulumi and its plugin for AWS are in place.');
  return EXIT_OK;
}

/** It is sealed at rest; this is for an admin who has to enter a machine by hand. */
async function sshKey(config: Config): Promise<number> {
  const { readSshKey } = await import('./app/ssh-key.ts');
  const result = await readSshKey(environmentOf(config));
  if (!result.ok) {
    say(`${result.problem}\n${result.remedy}`);
    return EXIT_FAILED;
  }
  process.stdout.write(result.keyPair.privateKey);
  return EXIT_OK;
}

const withConfig: Readonly<Record<string, (config: Config) => Promise<number>>> = {
  serve,
  migrate,
  setup,
  'ssh-key': sshKey,
};

async function main(command: string | undefined, args: readonly string[]): Promise<number> {
  if (command === 'help' || command === '--help' || command === undefined) {
    process.stdout.write(args[0] === 'config' ? renderSettings() : USAGE);
    return EXIT_OK;
  }
  if (command === 'version' || command === '--version') {
    const { version } = await import('./version.ts');
    process.stdout.write(`${version}\n`);
    return EXIT_OK;
  }
  if (command === 'doctor') return doctor(args);
  const run = withConfig[command];
  if (run === undefined) {
    say(`There is no command "${command}".\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  const config = readConfig();
  if (!config) return EXIT_FAILED;
  return run(config);
}

process.exit(await main(process.argv[2], process.argv.slice(3)));

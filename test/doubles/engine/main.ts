// The engine double: only the commands of the Pulumi CLI that the Automation API uses. See ../README.md. The tests in test/engine
// compare it with recordings of the real engine.
import type { Backend } from './backend.ts';
import { Failure, unsupported } from './failure.ts';
import { parseFlags, type FlagTable, type Flags } from './flags.ts';
import type { RunCommand } from './run.ts';

const COMMON: FlagTable = { stack: 'value', 'non-interactive': 'switch' };
const RUN: FlagTable = {
  ...COMMON,
  yes: 'switch',
  'skip-preview': 'switch',
  client: 'value',
  'exec-kind': 'value',
  'event-log': 'value',
  message: 'value',
  parallel: 'value',
};

const COMMANDS: Readonly<Record<string, { flags: FlagTable; positionals: number; run: Command }>> = {
  up: { flags: RUN, positionals: 0, run: runOf('up') },
  destroy: { flags: { ...RUN, target: 'list' }, positionals: 0, run: runOf('destroy') },
  refresh: { flags: { ...RUN, 'clear-pending-creates': 'switch' }, positionals: 0, run: runOf('refresh') },
  cancel: { flags: { ...COMMON, yes: 'switch' }, positionals: 0, run: cancel },
  'stack select': { flags: COMMON, positionals: 0, run: select },
  'stack init': { flags: COMMON, positionals: 1, run: init },
  'stack export': { flags: { ...COMMON, 'show-secrets': 'switch' }, positionals: 0, run: exportStack },
  'stack output': {
    flags: { ...COMMON, json: 'switch', 'show-secrets': 'switch' },
    positionals: 0,
    run: output,
  },
  'stack history': {
    flags: { ...COMMON, json: 'switch', 'show-secrets': 'switch', 'page-size': 'value', page: 'value' },
    positionals: 0,
    run: history,
  },
};

type Call = { readonly flags: Flags; readonly backend: Backend };
type Command = (call: Call) => Promise<number>;

const print = (text: string) => void process.stdout.write(text);

function runOf(command: RunCommand): Command {
  return async ({ flags, backend }) => {
    if (!flags.has('skip-preview') || !flags.has('yes')) throw unsupported(`${command} with a preview`);
    requireStack(backend);
    const { run } = await import('./run.ts');
    return run(command, flags, backend, process.env, print);
  };
}

function requireStack(backend: Backend): Backend {
  if (!backend.exists()) throw new Failure(`no stack named '${backend.stack.name}' found`, 6);
  return backend;
}

function select({ backend }: Call): Promise<number> {
  requireStack(backend);
  return Promise.resolve(0);
}

function cancel({ backend }: Call): Promise<number> {
  requireStack(backend).breakLocks();
  print(`The currently running update for '${backend.stack.name}' has been canceled!\n`);
  return Promise.resolve(0);
}

async function init({ backend }: Call): Promise<number> {
  const { fullName, writeSnapshot } = await import('./snapshot.ts');
  const { createCrypter, passphraseOf } = await import('./secrets.ts');
  const { writeSettings } = await import('./settings.ts');
  if (backend.exists()) throw new Failure(`stack '${fullName(backend.stack)}' already exists`);
  const crypter = createCrypter(passphraseOf(process.env));
  writeSnapshot(backend, { resources: [], operations: [] }, crypter);
  writeSettings(backend.stack, crypter.salt);
  process.stderr.write(`Created stack '${backend.stack.name}'\n`);
  return 0;
}

async function exportStack({ flags, backend }: Call): Promise<number> {
  const { readDeployment, readSnapshot, withPlaintext } = await import('./snapshot.ts');
  const { passphraseOf } = await import('./secrets.ts');
  const deployment = readDeployment(requireStack(backend));
  const shown = flags.has('show-secrets')
    ? withPlaintext(deployment, readSnapshot(backend, passphraseOf(process.env)).crypter)
    : deployment;
  print(`${JSON.stringify({ version: 3, deployment: shown }, null, 4)}\n`);
  return 0;
}

async function output({ flags, backend }: Call): Promise<number> {
  if (!flags.has('json')) throw unsupported('stack output without --json');
  const { readDeployment, readSnapshot } = await import('./snapshot.ts');
  const { passphraseOf } = await import('./secrets.ts');
  const { mapSecrets, plain, sorted } = await import('./values.ts');
  const resources = flags.has('show-secrets')
    ? readSnapshot(requireStack(backend), passphraseOf(process.env)).snapshot.resources
    : (readDeployment(requireStack(backend)).resources ?? []);
  const outputs = resources.find(({ type }) => type === 'pulumi:pulumi:Stack')?.outputs ?? {};
  const shown = flags.has('show-secrets') ? plain(outputs) : mapSecrets(outputs, () => '[secret]');
  print(`${JSON.stringify(sorted(shown), null, 2)}\n`);
  return 0;
}

function history({ flags, backend }: Call): Promise<number> {
  if (!flags.has('json')) throw unsupported('stack history without --json');
  const size = Number(flags.value('page-size') ?? '10');
  const from = (Number(flags.value('page') ?? '1') - 1) * size;
  print(
    `${JSON.stringify(
      requireStack(backend)
        .history()
        .slice(from, from + size),
      null,
      2,
    )}\n`,
  );
  return Promise.resolve(0);
}

async function main(args: readonly string[]): Promise<number> {
  const name = args[0] === 'stack' ? args.slice(0, 2).join(' ') : (args[0] ?? '');
  const command = COMMANDS[name];
  if (!command) throw unsupported(`the command ${args.join(' ')}`);
  const { flags, positionals } = parseFlags(args.slice(name.split(' ').length), command.flags);
  if (positionals.length !== command.positionals) throw unsupported(`the arguments ${positionals.join(' ')}`);
  const stack = positionals[0] ?? flags.value('stack');
  if (stack === undefined) throw unsupported(`${name} without --stack`);
  const { openBackend } = await import('./backend.ts');
  return command.run({ flags, backend: openBackend(stack, process.cwd(), process.env) });
}

// Finish and save the current steps even if the reader of the output is gone.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let exitCode: number;
try {
  exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  exitCode = error instanceof Failure ? error.exitCode : 255;
}
// Exit explicitly: a program that waits for a resource whose step failed would keep this process running forever.
process.stdout.write('', () => process.exit(exitCode));

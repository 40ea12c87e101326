// The engine double: the commands of the Pulumi CLI that the Automation API uses, and no others. See ../README.md; test/engine
// compares it with recordings of the real engine.
import type { Backend } from './backend.ts';
import { Failure, beyond } from './failure.ts';
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
};

const COMMANDS: Readonly<Record<string, { flags: FlagTable; words: number; run: Command }>> = {
  up: { flags: RUN, words: 0, run: runOf('up') },
  destroy: { flags: RUN, words: 0, run: runOf('destroy') },
  refresh: { flags: { ...RUN, 'clear-pending-creates': 'switch' }, words: 0, run: runOf('refresh') },
  cancel: { flags: { ...COMMON, yes: 'switch' }, words: 0, run: cancel },
  'stack select': { flags: COMMON, words: 0, run: select },
  'stack init': { flags: COMMON, words: 1, run: init },
  'stack export': { flags: { ...COMMON, 'show-secrets': 'switch' }, words: 0, run: exportStack },
  'stack output': { flags: { ...COMMON, json: 'switch', 'show-secrets': 'switch' }, words: 0, run: output },
  'stack history': {
    flags: { ...COMMON, json: 'switch', 'show-secrets': 'switch', 'page-size': 'value', page: 'value' },
    words: 0,
    run: history,
  },
};

type Call = { readonly flags: Flags; readonly backend: Backend };
type Command = (call: Call) => Promise<number>;

const print = (text: string) => void process.stdout.write(text);

function runOf(command: RunCommand): Command {
  return async ({ flags, backend }) => {
    if (!flags.has('skip-preview') || !flags.has('yes')) throw beyond(`${command} with a preview`);
    found(backend);
    const { run } = await import('./run.ts');
    return run(command, flags, backend, process.env, print);
  };
}

function found(backend: Backend): Backend {
  if (!backend.exists()) throw new Failure(`no stack named '${backend.stack.name}' found`, 6);
  return backend;
}

function select({ backend }: Call): Promise<number> {
  found(backend);
  return Promise.resolve(0);
}

function cancel({ backend }: Call): Promise<number> {
  found(backend).breakLocks();
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
  const deployment = readDeployment(found(backend));
  const shown = flags.has('show-secrets')
    ? withPlaintext(deployment, readSnapshot(backend, passphraseOf(process.env)).crypter)
    : deployment;
  print(`${JSON.stringify({ version: 3, deployment: shown }, null, 4)}\n`);
  return 0;
}

async function output({ flags, backend }: Call): Promise<number> {
  if (!flags.has('json')) throw beyond('stack output without --json');
  const { readDeployment, readSnapshot } = await import('./snapshot.ts');
  const { passphraseOf } = await import('./secrets.ts');
  const { mapSecrets, plain, sorted } = await import('./values.ts');
  const resources = flags.has('show-secrets')
    ? readSnapshot(found(backend), passphraseOf(process.env)).snapshot.resources
    : (readDeployment(found(backend)).resources ?? []);
  const outputs = resources.find(({ type }) => type === 'pulumi:pulumi:Stack')?.outputs ?? {};
  const shown = flags.has('show-secrets') ? plain(outputs) : mapSecrets(outputs, () => '[secret]');
  print(`${JSON.stringify(sorted(shown), null, 2)}\n`);
  return 0;
}

function history({ flags, backend }: Call): Promise<number> {
  if (!flags.has('json')) throw beyond('stack history without --json');
  const size = Number(flags.value('page-size') ?? '10');
  const from = (Number(flags.value('page') ?? '1') - 1) * size;
  print(
    `${JSON.stringify(
      found(backend)
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
  if (!command) throw beyond(`the command ${args.join(' ')}`);
  const { flags, words } = parseFlags(args.slice(name.split(' ').length), command.flags);
  if (words.length !== command.words) throw beyond(`the arguments ${words.join(' ')}`);
  const stack = words[0] ?? flags.value('stack');
  if (stack === undefined) throw beyond(`${name} without --stack`);
  const { openBackend } = await import('./backend.ts');
  return command.run({ flags, backend: openBackend(stack, process.cwd(), process.env) });
}

// Whoever reads our output may be gone; what is under way is still finished and saved.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let exitCode: number;
try {
  exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  exitCode = error instanceof Failure ? error.exitCode : 255;
}
// Whoever waits for a program that waits for what was refused would wait for ever.
process.stdout.write('', () => process.exit(exitCode));

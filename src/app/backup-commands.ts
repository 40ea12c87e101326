// `lablink backup FILE` and `lablink restore FILE`: arguments, the passphrase, and what is said.
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { BACKUP_PASSPHRASE_CHARACTERS } from '../config/rules.ts';
import { createLifecycle } from '../lifecycle.ts';
import type { CommandAnswer } from '../provision/definition.ts';
import { describeFailure, fail, succeed, type Failure, type Result } from '../result.ts';
import { backUp, restore } from './backup.ts';
import { StartError, type AppContext } from './context.ts';
import { askSecret } from './ask-secret.ts';

const OPTION = '--passphrase-file';
/** As for the server: the embedded Postgres gets half a minute to end. */
const CLOSE_TIMEOUT_MS = 35_000;
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
/** The secrets that the settings may set; the others are in the data folder, and SECRET_KEY and the passphrase of Pulumi are kept too. */
const NOT_IN_IT =
  'A backup does not contain the settings, such as ADMIN_PASSWORD or LOG_FORWARDER_TOKEN where they are set, nor the config file.';
/**
 * In a restore the heap is small, and gigabytes of buffers pass. By default V8 marks the whole heap again for each ten megabytes of them, which
 * was a third of the program's processor time. Set here, because the server and a backup gain nothing by it.
 */
const COLLECT_LESS_OFTEN = '--heap-growing-percent=400';

type Asked = { readonly address: string; readonly passphraseFile: string | undefined };

export async function runBackup(context: AppContext, args: readonly string[]): Promise<CommandAnswer> {
  const asked = readArguments(args);
  if (asked === null) return usage('backup');
  return answering(async () => {
    const passphrase = await passphraseFor(context, asked, true);
    if (!passphrase.ok) return passphrase;
    const made = await backUp(context, asked.address, passphrase.value);
    if (!made.ok) return made;
    const { address, bytes, at } = made.value;
    return succeed(
      `${address} is a backup of ${at.toISOString()}, ${sizeOf(bytes)}. Keep its passphrase in another place. ${NOT_IN_IT}\n`,
    );
  });
}

export async function runRestore(context: AppContext, args: readonly string[]): Promise<CommandAnswer> {
  const asked = readArguments(args);
  if (asked === null) return usage('restore');
  return answering(async () => {
    const passphrase = await passphraseFor(context, asked, false);
    if (!passphrase.ok) return passphrase;
    setFlagsFromString(COLLECT_LESS_OFTEN);
    const lifecycle = createLifecycle(context.log, { closeTimeoutMs: CLOSE_TIMEOUT_MS });
    try {
      const restored = await restore(context, lifecycle, asked.address, passphrase.value);
      if (!restored.ok) return restored;
      return succeed(
        `Restored into ${restored.value.dataDir}. The next start compares it with the machines that exist, before it serves anything. Start no other allocator of this deployment. ${NOT_IN_IT}\n`,
      );
    } finally {
      await lifecycle[Symbol.asyncDispose]();
    }
  });
}

/** For people, such as 14 KiB or 3.2 MiB. */
function sizeOf(bytes: number): string {
  return bytes < MEBIBYTE ? `${Math.ceil(bytes / KIBIBYTE)} KiB` : `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

async function answering(work: () => Promise<Result<string>>): Promise<CommandAnswer> {
  const done = await work().catch((error: unknown): Result<string> => {
    if (error instanceof StartError) return fail(error.failure);
    throw error;
  });
  if (done.ok) return { text: done.value, exit: 'ok' };
  return { text: `${describeFailure(done.failure)}\n`, exit: 'failed' };
}

function usage(command: string): CommandAnswer {
  return {
    text: `${command} takes the path of a file (or s3://bucket/name), and ${OPTION} <file>.\n`,
    exit: 'usage',
  };
}

/** Null: they make no sense. */
function readArguments(args: readonly string[]): Asked | null {
  const at = args.indexOf(OPTION);
  const passphraseFile = at === -1 ? undefined : args[at + 1];
  if (at !== -1 && passphraseFile === undefined) return null;
  const [address, ...more] = at === -1 ? args : args.toSpliced(at, 2);
  if (address === undefined || address.startsWith('-') || more.length > 0) return null;
  return { address, passphraseFile };
}

/** From the file, else as configured, else from the person at the terminal. */
async function passphraseFor(
  { config, say }: AppContext,
  { passphraseFile }: Asked,
  isNew: boolean,
): Promise<Result<string>> {
  if (passphraseFile !== undefined) return readPassphrase(passphraseFile);
  if (config.backup.passphrase !== undefined) return succeed(config.backup.passphrase);
  const asked = await askSecret('Passphrase of the backup: ');
  if (asked === null)
    return fail({
      code: 'no_passphrase',
      message: 'There is no passphrase for the backup.',
      remedy: `Set BACKUP_PASSPHRASE, give a file with ${OPTION}, or run it at a terminal, where it is asked for.`,
    });
  if (!isNew) return succeed(asked);
  if (asked.length < BACKUP_PASSPHRASE_CHARACTERS) return fail(TOO_SHORT);
  say('Without it nobody can open the backup.');
  const again = await askSecret('The same again: ');
  if (again === asked) return succeed(asked);
  return fail({ code: 'no_passphrase', message: 'These were two passphrases.', remedy: 'Try again.' });
}

const TOO_SHORT: Failure = {
  code: 'no_passphrase',
  message: `The passphrase has fewer than ${BACKUP_PASSPHRASE_CHARACTERS} characters.`,
  remedy: 'Use a longer one, such as five random words.',
};

async function readPassphrase(path: string): Promise<Result<string>> {
  try {
    const [line = ''] = (await readFile(path, 'utf8')).split(/\r?\n/, 1);
    return line.length < BACKUP_PASSPHRASE_CHARACTERS ? fail(TOO_SHORT) : succeed(line);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const message = `The file of the passphrase cannot be read: ${error.message}.`;
    return fail({ code: 'no_passphrase', message, remedy: `Correct ${OPTION}.` });
  }
}

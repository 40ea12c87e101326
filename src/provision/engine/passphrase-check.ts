// Pulumi encrypts a state without secrets with any passphrase, and does not report a wrong one. So we store a salted hash
// of the passphrase (the check value) next to the state, where all servers that share the state find it.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { mkdir, open, link, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { fail, succeed, type Result } from '../../result.ts';
import type { RunFailure } from './failure.ts';

/** Where the check value is stored: a folder, or a bucket of the provider. */
export type CheckStore = {
  /** Reads the value, and creates it if there is none. Concurrent calls return the same value. */
  readOrCreate(create: () => Promise<string>): Promise<Result<string, RunFailure>>;
};

const deriveBytes = promisify<string, Buffer, number, Buffer>(scrypt);
const SALT_BYTES = 16;
const CHECK_BYTES = 32;

/** Fails if the passphrase differs from the first one that was used with this state. */
export async function checkPassphrase({
  check,
  passphrase,
}: {
  readonly check: CheckStore | null;
  readonly passphrase: string | null;
}): Promise<Result<undefined, RunFailure>> {
  if (check === null || passphrase === null) return succeed();
  const stored = await check.readOrCreate(() => checkValue(passphrase));
  if (!stored.ok) return stored;
  const [salt = '', value = ''] = stored.value.trim().split(':');
  const actual = await deriveBytes(passphrase, Buffer.from(salt, 'base64'), CHECK_BYTES);
  const expected = Buffer.from(value, 'base64');
  const isEqual = expected.length === actual.length && timingSafeEqual(expected, actual);
  return isEqual ? succeed() : fail(WRONG_PASSPHRASE);
}

const WRONG_PASSPHRASE: RunFailure = {
  code: 'credentials',
  message: 'The passphrase is not the one that the Pulumi state was created with.',
  remedy:
    'Set PULUMI_CONFIG_PASSPHRASE to the previous passphrase, or restore the file pulumi-passphrase in the data folder.',
};

async function checkValue(passphrase: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const value = await deriveBytes(passphrase, salt, CHECK_BYTES);
  return `${salt.toString('base64')}:${value.toString('base64')}\n`;
}

export function checkInFile(path: string): CheckStore {
  return {
    readOrCreate: async (create) => {
      try {
        return succeed(await readOrCreate(path, create));
      } catch (error) {
        if (!(error instanceof Error && 'syscall' in error)) throw error;
        return fail({
          code: 'engine',
          message: `The folder of the Pulumi state cannot be used: ${error.message}.`,
          remedy:
            'Free some space there, or allow the user of this server to write to it (DATA_DIR, PULUMI_BACKEND_URL).',
        });
      }
    },
  };
}

async function readOrCreate(path: string, create: () => Promise<string>): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const existing = await readIfExists(path);
  if (existing !== null) return existing;
  // Atomic: no passphrase would ever match half a check value.
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(await create());
    await file.sync();
    await link(temporary, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(path, 'utf8');
}

async function readIfExists(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

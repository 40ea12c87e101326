// One secret in one file of the data folder: created once, also when two starts race, and readable by its owner alone.
// Knows nothing of what the secret is for.
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, succeed, type Result } from '../result.ts';

export type KeptSecret = {
  readonly value: string;
  /** Whether this call created it. */
  readonly isNew: boolean;
  readonly path: string;
};

export type SecretFileOptions = {
  /** Created where it is missing. */
  readonly dataDir: string;
  /** The file's name in it. */
  readonly name: string;
  /** A shorter content is a file that was cut or edited by mistake. */
  readonly leastCharacters: number;
  readonly make: () => string;
  readonly randomBytes: (bytes: number) => Uint8Array;
};

/** Others may pass through the folder: the embedded database below it can run as another user. */
const FOLDER_MODE = 0o711;
const FILE_MODE = 0o600;
const OTHERS = 0o077;
/** A secret is a line; more is another file. */
const LIMIT_BYTES = 4_096;
const TEMPORARY_NAME_BYTES = 8;

/**
 * The secret in the file, or a new one. Two starts at the same time get the same one. A file that others can read is
 * closed to them. What the file system refuses is a failure; any other error is thrown.
 */
export async function keepSecret(options: SecretFileOptions): Promise<Result<KeptSecret>> {
  const path = join(options.dataDir, options.name);
  try {
    await mkdir(options.dataDir, { recursive: true, mode: FOLDER_MODE });
    const isNew = (await exists(path)) ? false : await createOnce(path, options);
    return await readKept(path, options.leastCharacters, isNew);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const message = `${path} cannot be read or written: ${error.message}.`;
    return fail({ code: 'file_system', message, remedy: 'Let the user of this server own the folder.' });
  }
}

/** Whether this call created the file. It appears whole or not at all, and never replaces another one. */
async function createOnce(path: string, { make, randomBytes }: SecretFileOptions): Promise<boolean> {
  const temporary = `${path}.${Buffer.from(randomBytes(TEMPORARY_NAME_BYTES)).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', FILE_MODE);
    await file.writeFile(`${make()}\n`);
    await file.sync();
    await link(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function readKept(path: string, leastCharacters: number, isNew: boolean): Promise<Result<KeptSecret>> {
  const found = await stat(path);
  if (!found.isFile()) {
    const remedy = 'Remove it, or set DATA_DIR to another folder.';
    return fail({ code: 'wrong_content', message: `${path} is not a file.`, remedy });
  }
  if (isOpen(found)) {
    await chmod(path, FILE_MODE);
    if (isOpen(await stat(path))) {
      const message = `Others can read ${path}, and its file system keeps no modes.`;
      return fail({ code: 'file_system', message, remedy: 'Set DATA_DIR to another disk.' });
    }
  }
  const value = found.size > LIMIT_BYTES ? '' : (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  if (value.length < leastCharacters || /[\r\n\0]/.test(value)) {
    const message = `${path} does not contain one line of at least ${leastCharacters} characters.`;
    const remedy = 'Put the right content back, or remove the file: a new secret is created then.';
    return fail({ code: 'wrong_content', message, remedy });
  }
  return succeed({ value, isNew, path });
}

const isOpen = ({ mode }: { readonly mode: number }): boolean => (mode & OTHERS) !== 0;

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

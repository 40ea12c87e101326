// One secret in one file of the data folder: made once, also when two starts race, and readable by its owner alone.
// Knows nothing of what the secret is for.
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Why a secret cannot be had: the file as the key, and two whole sentences. */
export type SecretFault = { readonly key: string; readonly problem: string; readonly remedy: string };

export type KeptSecret = {
  readonly ok: true;
  readonly value: string;
  readonly source: 'made-now' | 'kept';
  readonly path: string;
  /** Whether others could read the file until now. */
  readonly tightened: boolean;
};
export type NoSecret = { readonly ok: false; readonly fault: SecretFault };

export type Making = {
  /** Made where it is missing. */
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
 * The secret in the file, or a new one. Two starts at once get the same one. A file that others can read is
 * tightened to its owner, and `tightened` says so. What the file system refuses is a fault; anything else is thrown.
 */
export async function keepSecret(making: Making): Promise<KeptSecret | NoSecret> {
  const path = join(making.dataDir, making.name);
  try {
    await mkdir(making.dataDir, { recursive: true, mode: FOLDER_MODE });
    const made = (await isThere(path)) ? false : await createOnce(path, making);
    return await readKept(path, making.leastCharacters, made ? 'made-now' : 'kept');
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return faultOf(
      path,
      `It cannot be read or written: ${error.message}.`,
      'Let the user of this server own the folder.',
    );
  }
}

/** Whether it was this call that made the file. It appears whole or not at all, and never replaces another one. */
async function createOnce(path: string, { make, randomBytes }: Making): Promise<boolean> {
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

async function readKept(
  path: string,
  leastCharacters: number,
  source: KeptSecret['source'],
): Promise<KeptSecret | NoSecret> {
  const found = await stat(path);
  if (!found.isFile())
    return faultOf(path, 'It is not a file.', 'Remove it, or set DATA_DIR to another folder.');
  const { mode, size } = found;
  const tightened = (mode & OTHERS) !== 0;
  if (tightened) {
    await chmod(path, FILE_MODE);
    if (((await stat(path)).mode & OTHERS) !== 0) {
      return faultOf(
        path,
        'Others can read it, and its file system keeps no modes.',
        'Set DATA_DIR to another disk.',
      );
    }
  }
  const value = size > LIMIT_BYTES ? '' : (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  if (value.length < leastCharacters || /[\r\n\0]/.test(value)) {
    const problem = `It does not hold one line of at least ${leastCharacters} characters.`;
    return faultOf(
      path,
      problem,
      'Put the right content back, or remove the file: a new secret is made then.',
    );
  }
  return { ok: true, value, source, path, tightened };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function faultOf(key: string, problem: string, remedy: string): NoSecret {
  return { ok: false, fault: { key, problem, remedy } };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

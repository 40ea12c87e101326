// The allocator's own SSH key pair, with which it connects to machines: created once, and kept in the data folder, the
// public half in plain text, the private half sealed. Knows nothing of machines or providers.
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail, succeed, type Failed, type Result } from '../result.ts';
import { COMMENT, makeSshKeyPair, readSshKeyPair, type SshKeyPair } from './key-pair.ts';
import { seal, unseal } from './seal.ts';

export type KeptKeyPair = SshKeyPair & { readonly path: string };

const FOLDER = 'ssh';
/** With `.pub` and `.sealed`; alone it is the key of a version that did not seal it. */
const FILE = 'id_ed25519';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const NEW_KEY =
  'the copy in the database is used then, or a new key is made, which existing machines do not accept.';

/**
 * The pair in the data folder (`ssh/id_ed25519.sealed`), or a new one. A plain key that lies there is adopted: sealed, then
 * removed. Two starts at the same time get the same pair; a file that others could read is closed to them. What the
 * file system refuses is a failure; any other error is thrown.
 * @param key 32 bytes, derived from the secret of the installation
 */
export async function loadOrMakeSshKeyPair(dataDir: string, key: Buffer): Promise<Result<KeptKeyPair>> {
  const plain = join(dataDir, FOLDER, FILE);
  const path = `${plain}.sealed`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    const before = await readIfThere(plain);
    if ((await readIfThere(path)) === null) {
      const keyPair = before === null ? makeSshKeyPair() : readSshKeyPair(before);
      if (!keyPair) return notAKey(plain);
      await keepOnce(path, keyPair, key);
    }
    await chmod(path, FILE_MODE);
    const opened = openKey(path, await readFile(path, 'utf8'), key);
    if (!opened.ok || before === null) return opened;
    // Removed only when it is surely kept.
    if (readSshKeyPair(before)?.publicKey !== opened.value.publicKey) {
      return fail({
        code: 'two_keys',
        message: `${plain} and ${path} are two different keys.`,
        remedy: 'Remove the one that you do not need: a plain one is sealed at the next start.',
      });
    }
    await rm(plain, { force: true });
    return opened;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return fail({
      code: 'file_system',
      message: `The SSH key cannot be kept: ${error.message}.`,
      remedy: `Let the user of this server own ${dirname(path)}.`,
    });
  }
}

function openKey(path: string, sealed: string, key: Buffer): Result<KeptKeyPair> {
  const opened = unseal(sealed, key);
  if (!opened.ok && opened.failure === 'wrong_key') {
    return fail({
      code: 'wrong_key',
      message: `${path} was sealed with another SECRET_KEY, or was changed: this one does not open it.`,
      remedy: `Start with the earlier SECRET_KEY (or put the file secret-key back into the data folder), or remove ${path}: ${NEW_KEY}`,
    });
  }
  const keyPair = opened.ok ? readSshKeyPair(opened.value) : undefined;
  return keyPair ? succeed({ ...keyPair, path }) : notAKey(path);
}

function notAKey(path: string): Failed {
  return fail({
    code: 'wrong_content',
    message: `${path} does not contain an ed25519 private key.`,
    remedy: `Put the right key back, or remove the file: ${NEW_KEY}`,
  });
}

/** The file appears whole or not at all, and never replaces another one. */
async function keepOnce(path: string, { privateKey, publicKey }: SshKeyPair, key: Buffer): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  const publicFile = path.replace(/\.sealed$/, '.pub');
  try {
    await writeNew(temporary, seal(privateKey, key));
    await link(temporary, path);
    await rm(publicFile, { force: true });
    await writeNew(publicFile, `${publicKey} ${COMMENT}\n`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Keeps another pair at this path from now on, and the earlier one next to it: machines may still accept only that one. */
export async function replaceSshKeyPair(path: string, keyPair: SshKeyPair, key: Buffer): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  await writeNew(temporary, seal(keyPair.privateKey, key));
  await copyFile(path, `${path}.replaced`);
  await rename(temporary, path);
  const publicFile = path.replace(/\.sealed$/, '.pub');
  await rm(publicFile, { force: true });
  await writeNew(publicFile, `${keyPair.publicKey} ${COMMENT}\n`);
}

async function writeNew(path: string, content: string): Promise<void> {
  await using file = await open(path, 'wx', FILE_MODE);
  await file.writeFile(content);
  await file.sync();
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

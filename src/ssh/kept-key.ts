// The allocator's own SSH key pair, by which it enters machines: made once, and kept in the data folder. The public half is
// there for everybody, the private half sealed. Knows nothing of machines or providers.
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { COMMENT, makeSshKeyPair, readSshKeyPair, type SshKeyPair } from './key-pair.ts';
import { seal, unseal } from './seal.ts';

/** `problem` and `remedy` are whole sentences. */
export type SshKeyPairResult =
  | { readonly ok: true; readonly keyPair: SshKeyPair; readonly path: string }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

const FOLDER = 'ssh';
/** With `.pub` and `.sealed`; alone it is a key of a version that did not seal it. */
const FILE = 'id_ed25519';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * The pair that the data folder holds (`ssh/id_ed25519.sealed`), or a new one. A plain key that lies there is taken over:
 * sealed, then removed. Two starts at once get the same pair; a file that others could read is closed to them. What the file
 * system refuses is returned, anything else is thrown.
 * @param key of 32 bytes, derived from the installation's secret
 */
export async function loadOrMakeSshKeyPair(dataDir: string, key: Buffer): Promise<SshKeyPairResult> {
  const plain = join(dataDir, FOLDER, FILE);
  const path = `${plain}.sealed`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    const before = await readIfThere(plain);
    if ((await readIfThere(path)) === null) {
      const keyPair = before === null ? makeSshKeyPair() : readSshKeyPair(before);
      if (!keyPair) return noKey(plain);
      await keepOnce(path, keyPair, key);
    }
    await chmod(path, FILE_MODE);
    const opened = openKey(path, await readFile(path, 'utf8'), key);
    if (!opened.ok || before === null) return opened;
    // Only what is surely kept is removed.
    if (readSshKeyPair(before)?.publicKey !== opened.keyPair.publicKey) return differ(plain, path);
    await rm(plain, { force: true });
    return opened;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return {
      ok: false,
      problem: `The SSH key cannot be kept: ${error.message}.`,
      remedy: `Let the user of this server own ${dirname(path)}.`,
    };
  }
}

function openKey(path: string, sealed: string, key: Buffer): SshKeyPairResult {
  const opened = unseal(sealed, key);
  if (!opened.ok && opened.why === 'wrong-key')
    return {
      ok: false,
      problem: `${path} was sealed with another SECRET_KEY, or was changed: this one does not open it.`,
      remedy: `Start with the SECRET_KEY of before (or put the file secret-key back into the data folder), or remove ${path}: ${NEW_ONE}`,
    };
  const keyPair = opened.ok ? readSshKeyPair(opened.text) : undefined;
  return keyPair ? { ok: true, keyPair, path } : noKey(path);
}

const NEW_ONE = 'a new one is made, which machines that exist do not know.';

function noKey(path: string): SshKeyPairResult {
  return {
    ok: false,
    problem: `${path} holds no ed25519 private key.`,
    remedy: `Put the right key back, or remove the file: ${NEW_ONE}`,
  };
}

function differ(plain: string, sealed: string): SshKeyPairResult {
  return {
    ok: false,
    problem: `${plain} and ${sealed} are two different keys.`,
    remedy: 'Remove the one that is not to be used: a plain one is sealed at the next start.',
  };
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

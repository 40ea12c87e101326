// The allocator's own SSH key pair (ed25519), by which it enters machines: made once and kept in the data folder,
// in OpenSSH's format, so that an admin can use it with `ssh -i`. Knows nothing of machines or providers.
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import ssh2, { type ParsedKey } from 'ssh2';

export type SshKeyPair = {
  /** OpenSSH's format, several lines. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`: one line, without a comment. */
  readonly publicKey: string;
};

/** `problem` and `remedy` are whole sentences. */
export type SshKeyPairResult =
  | { readonly ok: true; readonly keyPair: SshKeyPair; readonly path: string }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

const TRIES = 20;
const FOLDER = 'ssh';
const FILE = 'id_ed25519';
const COMMENT = 'lablink-allocator';
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * A new pair. Of those that ssh2 generates, one in 256 is malformed (it cuts leading zeros off a key that begins with
 * one: lib/keygen.js of 1.17.0), so that each is tried, and another one taken where it does not work.
 */
export function makeSshKeyPair(): SshKeyPair {
  for (let tries = 0; tries < TRIES; tries++) {
    const made = readSshKeyPair(ssh2.utils.generateKeyPairSync('ed25519', { comment: COMMENT }).private);
    if (made !== undefined) return made;
  }
  throw new Error(`ssh2 made no ed25519 key that works in ${TRIES} tries`);
}

/** The pair of a private key in OpenSSH's format; undefined where the text is no ed25519 private key that works. */
export function readSshKeyPair(privateKey: string): SshKeyPair | undefined {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || key.type !== 'ssh-ed25519' || !key.isPrivateKey()) return undefined;
  return works(key)
    ? { privateKey, publicKey: `${key.type} ${key.getPublicSSH().toString('base64')}` }
    : undefined;
}

/** What it signs is verified by its public half as others read it. */
function works(key: ParsedKey): boolean {
  const publicKey = ssh2.utils.parseKey(`${key.type} ${key.getPublicSSH().toString('base64')}`);
  const challenge = Buffer.from(COMMENT);
  // Their types leave out that both may answer an Error.
  const signature: unknown = key.sign(challenge);
  if (publicKey instanceof Error || !Buffer.isBuffer(signature)) return false;
  const verified: unknown = publicKey.verify(challenge, signature);
  return verified === true;
}

/**
 * The pair that the data folder holds (`ssh/id_ed25519`), or a new one. Two starts at once get the same one; a file
 * that others could read is closed to them. What the file system refuses is returned, anything else is thrown.
 */
export async function loadOrMakeSshKeyPair(dataDir: string): Promise<SshKeyPairResult> {
  const path = join(dataDir, FOLDER, FILE);
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
    if (!(await isThere(path))) await makeOnce(path);
    await chmod(path, FILE_MODE);
    const keyPair = readSshKeyPair(await readFile(path, 'utf8'));
    if (keyPair) return { ok: true, keyPair, path };
    return {
      ok: false,
      problem: `${path} holds no ed25519 private key.`,
      remedy:
        'Put the right key back, or remove the file: a new one is made, which machines of AWS do not know.',
    };
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return {
      ok: false,
      problem: `The SSH key cannot be kept: ${error.message}.`,
      remedy: `Let the user of this server own ${dirname(path)}.`,
    };
  }
}

/** The file appears whole or not at all, and never replaces another one. */
async function makeOnce(path: string): Promise<void> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  const { privateKey, publicKey } = makeSshKeyPair();
  try {
    await writeNew(temporary, privateKey);
    await link(temporary, path);
    await rm(`${path}.pub`, { force: true });
    await writeNew(`${path}.pub`, `${publicKey} ${COMMENT}\n`);
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

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

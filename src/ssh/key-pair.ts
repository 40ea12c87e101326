// An SSH key pair (ed25519), in OpenSSH's format. Pure but for the randomness.
import ssh2, { type ParsedKey } from 'ssh2';

export type SshKeyPair = {
  /** OpenSSH's format, several lines. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`: one line, without a comment. */
  readonly publicKey: string;
};

const TRIES = 20;
export const COMMENT = 'lablink-allocator';

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

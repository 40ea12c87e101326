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
 * A new pair. One in 256 that ssh2 generates is malformed (lib/keygen.js of 1.17.0 cuts leading zeros off a key), so each
 * is tried, and another one generated where it does not work.
 */
export function makeSshKeyPair(): SshKeyPair {
  for (let tries = 0; tries < TRIES; tries++) {
    const made = readSshKeyPair(ssh2.utils.generateKeyPairSync('ed25519', { comment: COMMENT }).private);
    if (made !== undefined) return made;
  }
  throw new Error(`ssh2 generated no working ed25519 key in ${TRIES} tries`);
}

/** The pair of a private key in OpenSSH's format; undefined where the text is not a working ed25519 private key. */
export function readSshKeyPair(privateKey: string): SshKeyPair | undefined {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || key.type !== 'ssh-ed25519' || !key.isPrivateKey()) return undefined;
  return works(key)
    ? { privateKey, publicKey: `${key.type} ${key.getPublicSSH().toString('base64')}` }
    : undefined;
}

/** Whether its public half, as others read it, verifies its signature. */
function works(key: ParsedKey): boolean {
  const publicKey = ssh2.utils.parseKey(`${key.type} ${key.getPublicSSH().toString('base64')}`);
  const challenge = Buffer.from(COMMENT);
  // The types leave out that both may return an Error.
  const signature: unknown = key.sign(challenge);
  if (publicKey instanceof Error || !Buffer.isBuffer(signature)) return false;
  const verified: unknown = publicKey.verify(challenge, signature);
  return verified === true;
}

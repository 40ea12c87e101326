// Encrypts the secrets in the state with a passphrase, in Pulumi's format: the salt contains an encrypted constant that reveals
// a wrong passphrase. Key derivation has 1,000 rounds instead of a million, to keep tests fast.
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Failure } from './failure.ts';
import { SECRET, SIGNATURE, mapProps, type Props } from './values.ts';

const ROUNDS = 1000;
/** The constant whose encryption is part of the salt. */
const CHECK_TEXT = 'pulumi';

export type Crypter = {
  /** `v1:<salt>:<the encrypted constant>`, stored in the state and in the settings file of the stack. */
  readonly salt: string;
  readonly encrypt: (text: string) => string;
  readonly decrypt: (text: string) => string;
};

/** The passphrase from the environment, with the precedence of the real engine. */
export function passphraseOf(env: NodeJS.ProcessEnv): string {
  const file = env['PULUMI_CONFIG_PASSPHRASE_FILE'];
  const phrase = env['PULUMI_CONFIG_PASSPHRASE'];
  if (phrase !== undefined) return phrase;
  if (file !== undefined && existsSync(file)) return readFileSync(file, 'utf8').trim();
  throw new Failure(
    'getting secrets manager: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables',
  );
}

/** A crypter with a new salt. */
export function createCrypter(passphrase: string): Crypter {
  const salt = randomBytes(8);
  const key = keyOf(passphrase, salt);
  return crypterOf(key, `v1:${salt.toString('base64')}:${encrypt(key, CHECK_TEXT)}`);
}

/** A crypter with an existing salt, or null if the passphrase does not match the salt. */
export function openCrypter(passphrase: string, salt: string): Crypter | null {
  const [, bytes, ...check] = salt.split(':');
  if (bytes === undefined) throw new Failure(`malformed secrets state: ${salt}`);
  const key = keyOf(passphrase, Buffer.from(bytes, 'base64'));
  try {
    return decrypt(key, check.join(':')) === CHECK_TEXT ? crypterOf(key, salt) : null;
  } catch {
    return null;
  }
}

export function wrongPassphrase(): Failure {
  return new Failure(
    'failed to decrypt: incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE to the correct passphrase or set PULUMI_CONFIG_PASSPHRASE_FILE to a file containing the passphrase',
  );
}

/** The properties as the state stores them. */
export function encryptSecrets(props: Props, { encrypt: encode }: Pick<Crypter, 'encrypt'>): Props {
  return mapProps(props, (secret) => ({
    [SIGNATURE]: SECRET,
    ciphertext: encode(JSON.stringify(secret['value'])),
  }));
}

/** The properties as the engine keeps them in memory. */
export function decryptSecrets(props: Props, { decrypt: decode }: Pick<Crypter, 'decrypt'>): Props {
  return mapProps(props, ({ ciphertext }) => {
    if (typeof ciphertext !== 'string') throw new Failure('a secret of the state has no ciphertext');
    return { [SIGNATURE]: SECRET, value: JSON.parse(decode(ciphertext)) as unknown };
  });
}

function crypterOf(key: Buffer, salt: string): Crypter {
  return { salt, encrypt: (text) => encrypt(key, text), decrypt: (text) => decrypt(key, text) };
}

function keyOf(passphrase: string, salt: Buffer): Buffer {
  return pbkdf2Sync(passphrase, salt, ROUNDS, 32, 'sha256');
}

function encrypt(key: Buffer, text: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString('base64')}:${sealed.toString('base64')}`;
}

function decrypt(key: Buffer, text: string): string {
  const [, nonce = '', sealed = ''] = text.split(':');
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64'));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8');
}

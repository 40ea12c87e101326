// The secrets that an installation generates for itself, and the keys that are derived from them.
import { hkdfSync, randomBytes as systemRandomBytes } from 'node:crypto';
import { succeed, type Result } from './result.ts';
import { keepSecret, type KeptSecret } from './secrets/file.ts';

export type SecretRequest = {
  /** Created where it is missing. */
  readonly dataDir: string;
  /** The file's name in it. */
  readonly name: string;
  /** Of randomness, for a new secret. */
  readonly bytes: number;
  readonly randomBytes?: (bytes: number) => Uint8Array;
};

export type AdminCredentials = {
  readonly user: string;
  readonly password: string;
  /** The file with the password; undefined where it is configured. */
  readonly file: Omit<KeptSecret, 'value'> | undefined;
};

const SECRET_KEY_FILE = 'secret-key';
const SECRET_KEY_BYTES = 32;
/** In the data folder. */
export const PASSWORD_FILE = 'admin-password';
/** People may write a password of their own into the file. */
const LEAST_PASSWORD_CHARACTERS = 8;
/** Without those that people confuse: 0 and o, 1 and i and l. */
const COPYABLE = '23456789abcdefghjkmnpqrstuvwxyz';
/** 4 groups of 5 out of 31 characters are 99 bits. */
const PASSWORD_GROUPS = 4;
const GROUP_CHARACTERS = 5;
const DERIVED_BYTES = 32;

/** The secret in the file, or a new one, as base64url. Two starts at the same time get the same one. */
export function loadOrCreateSecret(request: SecretRequest): Promise<Result<KeptSecret>> {
  const { dataDir, name, bytes, randomBytes = systemRandomBytes } = request;
  const make = (): string => Buffer.from(randomBytes(bytes)).toString('base64url');
  return keepSecret({ dataDir, name, make, randomBytes, leastCharacters: Math.ceil((bytes * 8) / 6) });
}

/** SECRET_KEY where it is set, else the one in the data folder. */
export async function secretKey(configured: string | undefined, dataDir: string): Promise<Result<string>> {
  if (configured !== undefined) return succeed(configured);
  const kept = await loadOrCreateSecret({ dataDir, name: SECRET_KEY_FILE, bytes: SECRET_KEY_BYTES });
  return kept.ok ? succeed(kept.value.value) : kept;
}

/** The configured password, else one that is generated at the first start and kept, which people can copy by hand. */
export async function adminCredentials(
  admin: { readonly user: string; readonly password: string | undefined },
  dataDir: string,
  randomBytes: (bytes: number) => Uint8Array = systemRandomBytes,
): Promise<Result<AdminCredentials>> {
  const { user, password } = admin;
  if (password !== undefined) return succeed({ user, password, file: undefined });
  const kept = await keepSecret({
    dataDir,
    name: PASSWORD_FILE,
    leastCharacters: LEAST_PASSWORD_CHARACTERS,
    make: () => copyablePassword(randomBytes),
    randomBytes,
  });
  if (!kept.ok) return kept;
  const { value, ...file } = kept.value;
  return succeed({ user, password: value, file });
}

/**
 * A key of 32 bytes for one purpose (HKDF-SHA256, RFC 5869): it reveals neither the secret nor the key of another purpose.
 * @param purpose names the use and its version, such as `browser-cookie/1`.
 */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `lablink-allocator/${purpose}`, DERIVED_BYTES));
}

/** Bytes that would favour some characters are dropped, and more are drawn. */
function copyablePassword(randomBytes: (bytes: number) => Uint8Array): string {
  const fair = COPYABLE.length * Math.floor(256 / COPYABLE.length);
  let drawn = '';
  while (drawn.length < PASSWORD_GROUPS * GROUP_CHARACTERS) {
    const bytes = [...randomBytes(PASSWORD_GROUPS * GROUP_CHARACTERS)].filter((byte) => byte < fair);
    drawn += bytes.map((byte) => COPYABLE.charAt(byte % COPYABLE.length)).join('');
  }
  const groups = Array.from({ length: PASSWORD_GROUPS }, (_, group) =>
    drawn.slice(group * GROUP_CHARACTERS, (group + 1) * GROUP_CHARACTERS),
  );
  return groups.join('-');
}

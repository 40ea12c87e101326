// The secrets that an installation makes for itself, and the keys that are derived from them.
// Knows nobody; what a start should say about them is in the answers.
import { hkdfSync, randomBytes as systemRandomBytes } from 'node:crypto';
import { keepSecret, type KeptSecret, type NoSecret } from './secrets/kept-file.ts';

export type SecretRequest = {
  /** Made where it is missing. */
  readonly dataDir: string;
  /** The file's name in it. */
  readonly name: string;
  /** Of randomness, for a secret that is made now. */
  readonly bytes: number;
  readonly randomBytes?: (bytes: number) => Uint8Array;
};

export type AdminCredentials = { readonly ok: true; readonly user: string; readonly password: string } & (
  { readonly source: 'config' } | Pick<KeptSecret, 'source' | 'path' | 'tightened'>
);

const SECRET_KEY_FILE = 'secret-key';
const SECRET_KEY_BYTES = 32;
const ADMIN_PASSWORD_FILE = 'admin-password';
/** Somebody may have written a password of their own into the file. */
const LEAST_PASSWORD_CHARACTERS = 8;
/** Without those that people mix up: 0 and o, 1 and i and l. */
const COPYABLE = '23456789abcdefghjkmnpqrstuvwxyz';
/** 4 groups of 5 out of 31 characters are 99 bits. */
const PASSWORD_GROUPS = 4;
const GROUP_CHARACTERS = 5;
const DERIVED_BYTES = 32;

/**
 * The secret that the file holds, or a new one, as base64url. Two starts at once get the same one.
 * A file that others could read is tightened to its owner, and `tightened` says so.
 */
export function loadOrCreateSecret(request: SecretRequest): Promise<KeptSecret | NoSecret> {
  const { dataDir, name, bytes, randomBytes = systemRandomBytes } = request;
  const make = (): string => Buffer.from(randomBytes(bytes)).toString('base64url');
  return keepSecret({ dataDir, name, make, randomBytes, leastCharacters: Math.ceil((bytes * 8) / 6) });
}

/** SECRET_KEY where it is given, else the one in the data folder. */
export async function secretKey(
  given: string | undefined,
  dataDir: string,
): Promise<{ readonly ok: true; readonly value: string; readonly source: 'config' } | KeptSecret | NoSecret> {
  if (given !== undefined) return { ok: true, value: given, source: 'config' };
  return loadOrCreateSecret({ dataDir, name: SECRET_KEY_FILE, bytes: SECRET_KEY_BYTES });
}

/** The configured password, else one that is made at the first start and kept, which people can copy by hand. */
export async function adminCredentials(
  admin: { readonly user: string; readonly password: string | undefined },
  dataDir: string,
  randomBytes: (bytes: number) => Uint8Array = systemRandomBytes,
): Promise<AdminCredentials | NoSecret> {
  const { user, password } = admin;
  if (password !== undefined) return { ok: true, user, password, source: 'config' };
  const kept = await keepSecret({
    dataDir,
    name: ADMIN_PASSWORD_FILE,
    leastCharacters: LEAST_PASSWORD_CHARACTERS,
    make: () => copyablePassword(randomBytes),
    randomBytes,
  });
  if (!kept.ok) return kept;
  return {
    ok: true,
    user,
    password: kept.value,
    source: kept.source,
    path: kept.path,
    tightened: kept.tightened,
  };
}

/**
 * A key of 32 bytes for one purpose (HKDF-SHA256, RFC 5869): who learns one learns neither another nor the secret.
 * @param purpose names the use and its version, such as `browser-cookie/1`.
 */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `lablink-allocator/${purpose}`, DERIVED_BYTES));
}

/** Bytes that would favour some characters are thrown away, and more are drawn. */
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

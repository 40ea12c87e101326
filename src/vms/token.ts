// VM tokens: each is given out once, and only its hash is stored.
import { createHash } from 'node:crypto';

const TOKEN_BYTES = 32;
/** Makes a leaked token recognizable. */
const TOKEN_PREFIX = 'lvt_';

/** A new token. `randomBytes(n)` gives n unpredictable bytes. */
export function makeVmToken(randomBytes: (count: number) => Buffer): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
}

/** SHA-256: a token has 256 random bits, so nothing slower is needed. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

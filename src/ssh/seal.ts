// Encrypts a text for the disk (AES-256-GCM): without the key of 32 bytes nobody can read it, or change it unnoticed.
// Pure but for the randomness.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { fail, succeed, type Result } from '../result.ts';

const CIPHER = 'aes-256-gcm';
/** Names the format; authenticated with the content. */
const HEADER = 'lablink-sealed/1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** One line: header, IV, and content with its tag. */
export function seal(text: string, key: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(HEADER));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${HEADER} ${iv.toString('base64')} ${sealed.toString('base64')}\n`;
}

/** `damaged`: not a sealed text; `wrong_key`: another key sealed it, or it was changed. */
export function unseal(line: string, key: Buffer): Result<string, 'damaged' | 'wrong_key'> {
  const [header, iv = '', sealed = ''] = line.trim().split(' ');
  const bytes = Buffer.from(sealed, 'base64');
  const nonce = Buffer.from(iv, 'base64');
  if (header !== HEADER || nonce.length !== IV_BYTES || bytes.length <= TAG_BYTES) return fail('damaged');
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(HEADER))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]);
    return succeed(text.toString('utf8'));
  } catch {
    return fail('wrong_key');
  }
}

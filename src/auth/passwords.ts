// Hashes of the passwords of accounts (argon2id). Hashing runs outside the event loop, a few at a time.
import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { PASSWORD_MAX } from '../vms/password.ts';

/** As OWASP recommends for argon2id: 19 MiB, two passes; about 15 ms of a core. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Two hashes at a time take 38 MiB and leave threads for everything else that Node does outside its loop. */
const oneOfFew = pLimit(2);
/** Of no password: takes as long as one of an account. */
const NOBODYS =
  '$argon2id$v=19$m=19456,t=2,p=1$Kj9lW0JO1oJ9RqNJlpRmPQ$bH+8KdHf7fJDz6KReFm0dgbEQ8tTYRArTzAy1f6/IOI';

/** The same characters, however a keyboard composes them. */
const composed = (password: string): string => password.normalize('NFC');

/** The hash with its parameters and salt, as text. */
export function hashPassword(password: string): Promise<string> {
  return oneOfFew(() => hash(composed(password), COST));
}

/** Whether the hash is of this password. With null the answer is no, and takes as long. */
export async function isPassword(password: string, hashed: string | null): Promise<boolean> {
  const isTooLong = password.length > PASSWORD_MAX;
  const given = isTooLong ? '' : composed(password);
  const isRight = await oneOfFew(() => verify(hashed ?? NOBODYS, given));
  return isRight && hashed !== null && !isTooLong;
}

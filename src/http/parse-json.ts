// Bytes to a JSON value. Duplicate keys: the last counts; `__proto__` is a key like any other. Pure.
import { ProblemError } from '../contract/problems.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const TOLD_CHARACTERS = 200;

/** Throws `bad_request` where it is not UTF-8, and `invalid_json`, which says where. */
export function parseJson(bytes: Buffer): unknown {
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    const what = error instanceof Error ? error.message.slice(0, TOLD_CHARACTERS) : '';
    throw new ProblemError('invalid_json', { detail: `The body is not valid JSON: ${what}.` });
  }
}

/** Throws `bad_request`: what is not UTF-8 would be mangled without a word. */
export function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProblemError('bad_request', { detail: 'The body is not valid UTF-8.' });
  }
}

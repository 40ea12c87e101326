// The id of a request, in its answer and in every line of the log about it.
import { randomBytes } from 'node:crypto';

const ACCEPTED = /^[A-Za-z0-9_-]{8,64}$/;
const PREFIX_BYTES = 9;
const COUNT_DIGITS = 4;

/** The id that a proxy in front gave, where it is harmless; else a new one. */
export type RequestIds = (given: string | undefined) => string;

/** New ids are random for the process, and counted within it: unique, and cheaper than random ones. */
export function createRequestIds(): RequestIds {
  const prefix = randomBytes(PREFIX_BYTES).toString('base64url');
  let count = 0;
  return (given) => {
    if (given !== undefined && ACCEPTED.test(given)) return given;
    count += 1;
    return `${prefix}${count.toString(36).padStart(COUNT_DIGITS, '0')}`;
  };
}
